const clock = String.raw`(?:[01]\d|2[0-3]):[0-5]\d`;
const rfc3339 = new RegExp(
  String.raw`^(\d{4}-\d\d-(\d\d))(?:[Tt ](${clock}):([0-5]\d|60)(\.\d+)?([Zz]|[+-]${clock}))?$`,
);

/**
 * An RFC 3339 date-time, or date (midnight UTC), in epoch milliseconds, finer fractions cut off;
 * NaN for anything else. `Date.parse` alone takes much more, the 30th of February as the 2nd of
 * March among it, and knows no leap second.
 */
export function instant(text: string): number {
  const match = rfc3339.exec(text);
  if (!match) {
    return NaN;
  }
  const [, date, day, minutes = '00:00', seconds = '00', fraction = '', zone = 'Z'] = match;
  if (Number(day) > 28 && new Date(`${String(date)}T00:00Z`).getUTCDate() !== Number(day)) {
    return NaN;
  }
  const leap = seconds === '60';
  const rest = `${minutes}:${leap ? '59' : seconds}${fraction}${zone.toUpperCase()}`;
  return Date.parse(`${String(date)}T${rest}`) + (leap ? 1_000 : 0);
}
