// Which files a drop or a folder brings, and which of a folder's files are looked at (as in imports/naming.py).

const LISTED_ENDINGS = [
  ".jsonl", ".ndjson", ".json", ".csv", ".md", ".markdown", ".zip", ".tar", ".tgz", ".gz", ".zst",
];
const TOOL_RESULTS = "tool-results";
const PASSED_FOLDERS = ["node_modules", ".git", "__MACOSX"];

/** Whether a file inside a chosen folder is looked at: its ending tells. */
export function fitsFolder(path) {
  const folders = path.split("/");
  const name = folders.pop().toLowerCase();
  if (name.startsWith("._") || folders.some((folder) => PASSED_FOLDERS.includes(folder))) return false;
  if (name.endsWith(".txt")) return folders.at(-1) === TOOL_RESULTS;
  return LISTED_ENDINGS.some((ending) => name.endsWith(ending));
}

/** All files of a drop, folders opened, each with its path from the dropped folder's name on. */
export async function filesOfDrop(transfer) {
  const entries = Array.from(transfer.items, (item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) {
    return { found: Array.from(transfer.files, (file) => ({ file, path: file.name })), hadFolder: false };
  }
  const found = [];
  for (const entry of entries) await collect(entry, found);
  return { found, hadFolder: entries.some((entry) => entry.isDirectory) };
}

async function collect(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    found.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  for (const child of await children(entry.createReader())) await collect(child, found);
}

// readEntries gives a folder in pieces of a hundred; an empty piece is the end.
async function children(reader) {
  const all = [];
  for (;;) {
    const piece = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!piece.length) return all;
    all.push(...piece);
  }
}
