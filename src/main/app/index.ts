/** The Electron face's entry. */
export {};
