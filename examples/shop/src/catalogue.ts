// What the shop sells: everything is worked out from an id, so that whoever reads an answer can tell whether it is the right one.

export interface User {
  readonly id: number;
  readonly name: string;
}

export interface Order {
  readonly id: number;
  readonly userId: number;
  readonly totalCents: number;
}

/** What the gateway answers to `GET /checkout/:id`. */
export interface Checkout {
  readonly order: Order;
  readonly user: User;
}

/** What is sent to `POST /orders` and comes back with a total. */
export interface Placed extends Order {
  readonly key: string;
}

export function userOf(id: number): User {
  return { id, name: `user-${id}` };
}

export function orderOf(id: number): Order {
  return { id, userId: id % 97, totalCents: 100 + ((id * 7919) % 9900) };
}

export function placedOf(id: number, key: string): Placed {
  return { ...orderOf(id), key };
}
