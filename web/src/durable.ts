/**
 * Text that outlives the browser's own end.
 *
 * `localStorage` survives a reload, but what a browser puts there may stay in its memory for
 * seconds: killed, it opens with what stood there before. A write to its database has left the
 * browser once it is done. Where there is no database, or it is full, nothing is kept here.
 */

const NAME = "viva";
const TEXTS = "texts";
const PATIENCE_MS = 5_000;

let opening: Promise<IDBDatabase | null> | null = null;

/** Everything kept under keys that begin with `prefix`. */
export async function loadDurable(prefix: string): Promise<Map<string, string>> {
  const texts = (await database())?.transaction(TEXTS).objectStore(TEXTS);
  if (!texts) return new Map();
  const range = IDBKeyRange.bound(prefix, `${prefix}\uffff`);
  const [keys, values] = await Promise.all([result(texts.getAllKeys(range)), result(texts.getAll(range))]);
  return new Map((keys ?? []).map((key, i) => [String(key), String(values?.[i])]));
}

/** Keep `text` under `key`; later calls take effect later. */
export function storeDurable(key: string, text: string): void {
  void write((texts) => texts.put(text, key));
}

export function forgetDurable(key: string): void {
  void write((texts) => texts.delete(key));
}

async function write(work: (texts: IDBObjectStore) => unknown): Promise<void> {
  const transaction = (await database())?.transaction(TEXTS, "readwrite", { durability: "relaxed" });
  if (transaction) work(transaction.objectStore(TEXTS));
}

function database(): Promise<IDBDatabase | null> {
  opening ??= open();
  return opening;
}

function open(): Promise<IDBDatabase | null> {
  const request = indexedDB.open(NAME, 1);
  request.addEventListener("upgradeneeded", () => request.result.createObjectStore(TEXTS));
  const late = new Promise<null>((resolve) => window.setTimeout(() => resolve(null), PATIENCE_MS));
  return Promise.race([result(request), late]);
}

/** What a request brings; null where it fails. */
function result<T>(request: IDBRequest<T>): Promise<T | null> {
  return new Promise((resolve) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", (event) => {
      event.preventDefault();
      resolve(null);
    });
  });
}
