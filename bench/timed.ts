/** How long something takes, in milliseconds; its result is nobody's. */
export async function timed(act: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await act();
  return performance.now() - startMs;
}
