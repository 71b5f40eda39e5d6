/** The lowest index that has a property which all behind it have as well; `count` if none has. */
export function lowest(count: number, has: (index: number) => boolean): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (has(middle)) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}
