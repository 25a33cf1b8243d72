const LONGEST = 100;
const MOST_NAMES = 8;

/**
 * A value as a message can hold it: short, of one line, and of an object no more than the names of its members, which may hold credentials.
 * Never throws, whatever the value does when it is looked at.
 */
export function shown(value: unknown): string {
  try {
    return cut(textOf(value));
  } catch {
    return `something of type ${typeof value}`;
  }
}

function textOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value.slice(0, LONGEST + 1));
    case 'bigint':
      return `${value}n`;
    case 'function':
      return value.name === '' ? 'a function' : `the function ${value.name}`;
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? listOf(value) : membersOf(value);
    default:
      return String(value);
  }
}

function listOf(items: readonly unknown[]): string {
  const texts = items.slice(0, MOST_NAMES).map((item) => (typeof item === 'object' && item !== null ? '…' : textOf(item)));
  return `[${texts.join(', ')}${items.length > MOST_NAMES ? ', …' : ''}]`;
}

function membersOf(value: object): string {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    const { name } = value.constructor;
    if (typeof name === 'string' && name !== '' && name !== 'Object') return `${/^[AEIOU]/i.test(name) ? 'an' : 'a'} ${name}`;
  }
  const names = Object.keys(value);
  if (names.length === 0) return '{}';
  return `{ ${names.slice(0, MOST_NAMES).join(', ')}${names.length > MOST_NAMES ? ', …' : ''} }`;
}

function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}
