/** The version of this package; a test compares it with package.json, which a bundled program does not carry. */
export const VERSION = '0.1.0';
