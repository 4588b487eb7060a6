/** The development entry: the whole interface on an invented service. `?runs=none|some|many&fashion=0&trials=100000` */
import '../lib/without-eval.ts'; // first: before any schema is made
import '../lib/ui/tokens.css';
import '../lib/ui/base.css';
import { start } from '../start.ts';
import { FakeConnection } from './fake.ts';

const query = new URLSearchParams(window.location.search);
const runs = query.get('runs');
const connection = new FakeConnection({
  runs: runs === 'none' || runs === 'many' ? runs : 'some',
  fashionMnist: query.get('fashion') !== '0',
  longTrials: Number(query.get('trials') ?? 200),
});
Object.assign(window, { fake: connection });
start(connection);
