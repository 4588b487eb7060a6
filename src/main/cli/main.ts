/** The terminal face's entry. */
export {};
