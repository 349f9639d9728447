/** This browser's storage. It may be full or blocked: then nothing is kept, and the page goes on. */

/** The text kept under `key`; null where there is none. */
export function load(key: string): string | null {
  return trying(() => localStorage.getItem(key));
}

/** Keep `text` under `key`. */
export function store(key: string, text: string): void {
  trying(() => localStorage.setItem(key, text));
}

export function forget(key: string): void {
  trying(() => localStorage.removeItem(key));
}

/** The keys that begin with `prefix`. */
export function keys(prefix: string): string[] {
  return trying(() => Object.keys(localStorage).filter((key) => key.startsWith(prefix))) ?? [];
}

function trying<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}
