/** Tells a figure that a test has measured, as one line among those of the tests. */
export function figure(what: string, values: Readonly<Record<string, number>>): void {
  const told = Object.entries(values).map(([name, value]) => `${name} ${Math.round(value)}`);
  process.stdout.write(`      ${what}: ${told.join(', ')}\n`);
}
