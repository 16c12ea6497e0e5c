/** How long something takes, in milliseconds. */
export async function timed<T>(
  act: () => Promise<T>,
): Promise<{ readonly result: T; readonly durationMs: number }> {
  const startMs = performance.now();
  const result = await act();
  return { result, durationMs: performance.now() - startMs };
}
