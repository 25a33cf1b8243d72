import type { FieldError } from './service-error-options.js';

type Members = Readonly<Record<string, unknown>>;

const MOST = 100;
const LONGEST = 256;
const DEEPEST = 5;

/**
 * The violations by field that the error of a validator tells of: `issues` (zod, valibot, Standard Schema), `details` (Joi), `errors` (Ajv, and by
 * field Mongoose), a list of such things (class-validator). Empty when it tells of none. May throw when a getter does.
 */
export function validationIssues(error: unknown): readonly FieldError[] {
  const found: FieldError[] = [];
  for (const issue of listOf(error).slice(0, MOST)) add(issue, '#', found, 0);
  return found.slice(0, MOST);
}

function listOf(error: unknown): readonly unknown[] {
  if (Array.isArray(error)) return error;
  if (!isObject(error)) return [];
  const { issues, details, errors } = error;
  for (const list of [issues, details, errors]) if (Array.isArray(list)) return list;
  return isObject(errors) ? Object.values(errors) : [];
}

function add(issue: unknown, below: string, found: FieldError[], depth: number): void {
  if (!isObject(issue) || depth > DEEPEST || found.length >= MOST) return;
  const { message, path, instancePath, property, constraints, children } = issue;
  if (typeof property === 'string') {
    const pointer = `${below}/${token(property)}`;
    if (isObject(constraints)) for (const text of Object.values(constraints)) if (typeof text === 'string') found.push(field(pointer, text));
    if (Array.isArray(children)) for (const child of children.slice(0, MOST)) add(child, pointer, found, depth + 1);
    return;
  }
  if (typeof message !== 'string') return;
  if (typeof instancePath === 'string') found.push(field(`#${instancePath}`, message));
  else
    found.push(
      field(
        Array.isArray(path) ? `#${path.map(part).join('')}` : typeof path === 'string' ? `#/${path.split('.').map(token).join('/')}` : '#',
        message,
      ),
    );
}

/** valibot has an object with a key for each part. */
function part(one: unknown): string {
  const key = isObject(one) ? one['key'] : one;
  return typeof key === 'string' || typeof key === 'number' ? `/${token(String(key))}` : '';
}

/** RFC 6901. */
function token(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

function field(pointer: string, detail: string): FieldError {
  return { pointer: pointer.slice(0, LONGEST), detail: detail.slice(0, LONGEST) };
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null;
}
