/** The store's worker thread. */
export {};
