const CARRIES = Symbol.for('ferrule.carries');

/**
 * Notes at an app that is adopted which service it carries. A second one could not be reached: what the first leaves is answered 404
 * before its routes are asked.
 * @throws Error when it carries another already.
 */
export function claimApp(app: object, service: string): void {
  const carried = (app as { [CARRIES]?: string })[CARRIES];
  if (carried !== undefined) {
    throw new Error(
      `mount: this app carries service ${carried} already, so the routes of ${service} would never be reached. Give both lists of routes to one service, or make an app for each.`,
    );
  }
  Object.defineProperty(app, CARRIES, { value: service });
}
