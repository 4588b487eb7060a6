/**
 * Node reads TypeScript through WebAssembly, in each thread for itself. Where threads of one process do so at once, V8 13 now and then
 * ends the process with "Check failed: jit_page.has_value()", as it replaces a wrapper of WebAssembly's calls by a faster one
 * (Runtime_TierUpWasmToJSWrapper). With this many calls to wait for, none is replaced. What is built runs no TypeScript, and does not
 * need this.
 */
require('node:v8').setFlagsFromString('--wasm-wrapper-tiering-budget=2000000000');
