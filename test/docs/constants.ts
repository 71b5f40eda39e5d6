const UNITS: Record<string, number> = { KIB: 1024, MIB: 1024 ** 2 };

/** The value of a constant in TypeScript: a number, or a product of powers, numbers and units. */
export function constantOf(source: string, name: string): number {
  const [, product = ''] = new RegExp(`const ${name} = ([^;]+);`).exec(source) ?? [];
  return product
    .split(' * ')
    .map((factor) => UNITS[factor] ?? power(factor))
    .reduce((result, factor) => result * factor, 1);
}

function power(text: string): number {
  const [base = NaN, exponent = 1] = text
    .replaceAll('_', '')
    .split(' ** ')
    .map((number) => (number === '' ? NaN : Number(number)));
  return base ** exponent;
}
