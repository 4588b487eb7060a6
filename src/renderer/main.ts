/** The window's and the browser's entry: picks the transport, makes the state, mounts the shell. */
import './lib/without-eval.ts'; // first: before any schema is made
import '../../resources/tokens.css';
import './lib/ui/base.css';
import { connect } from './lib/client/connect.ts';
import { start } from './start.ts';

start(connect());
