/** What the tests ask npm's own ranges for; the package has no types of its own. */
declare module 'semver' {
  const semver: {
    validRange(range: string): string | null;
    satisfies(version: string, range: string): boolean;
  };
  export default semver;
}
