const LONGEST_HEADER = 1_024;
const MOST_RANGES = 16;
/** A language range (RFC 4647, 2.1) of at most four subtags. */
const RANGE = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,3}$/;
const WEIGHT = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i;

/**
 * The language ranges of an `Accept-Language` (RFC 9110, 12.5.4), the most wanted first, those of weight 0 and `*` left out. What is malformed is
 * passed over; of a header above 1024 characters the rest is not read, and no more than 16 ranges are.
 */
export function acceptedLanguages(header: string | undefined): readonly string[] {
  if (header === undefined || header === '') return [];
  const found: { readonly range: string; readonly weight: number }[] = [];
  for (const part of header.slice(0, LONGEST_HEADER).split(',', MOST_RANGES)) {
    const [range = '', parameter, ...more] = part.split(';').map((one) => one.trim());
    if (!RANGE.test(range) || more.length > 0) continue;
    const weight = parameter === undefined ? 1 : Number(WEIGHT.exec(parameter)?.[1] ?? 0);
    if (weight > 0) found.push({ range, weight });
  }
  return found.toSorted((one, other) => other.weight - one.weight).map(({ range }) => range);
}
