/**
 * Loads when it is first asked for, and never again: to import a module that is there already takes Node 50 µs. A load that has failed is
 * tried again by the next who asks: there may have been no file descriptor for it.
 */
export function loadOnce<T>(load: () => Promise<T>): () => Promise<T> {
  let loading: Promise<T> | null = null;
  const begin = async (): Promise<T> => {
    try {
      return await load();
    } catch (error) {
      loading = null;
      throw error;
    }
  };
  return () => (loading ??= begin());
}
