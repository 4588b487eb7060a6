/** The window's preload script. */
export {};
