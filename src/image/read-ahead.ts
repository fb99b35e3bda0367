/**
 * `work` for each of `items`, results in the order of the items, with at most `atOnce` under way or
 * waiting to be taken. A failure is thrown at its item's turn. When the consumer stops early, what is
 * under way is waited for, so that nothing runs on behind its back.
 */
export async function* readAhead<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  atOnce: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const waiting: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const started = work(item);
      // It is looked at again at its turn; until then a rejection must not count as unhandled.
      started.catch(() => {});
      waiting.push(started);
      if (waiting.length >= atOnce) yield await waiting.shift()!;
    }
    while (waiting.length > 0) yield await waiting.shift()!;
  } finally {
    await Promise.allSettled(waiting);
  }
}
