/** The Electron face's entry. Nothing is awaited here: Electron is ready only when its entry has been read. */
import { startApp } from './app.ts';

startApp(process.argv.slice(1));
