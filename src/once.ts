/** What is asked for while it is being done is done once, for all who asked. */
export function once<K, T>(running: Map<K, Promise<T>>, id: K, work: () => Promise<T>): Promise<T> {
  let result = running.get(id);
  if (!result) {
    result = work().finally(() => running.delete(id));
    running.set(id, result);
  }
  return result;
}
