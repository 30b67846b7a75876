// What lies below a directory, in the order of keys, without having all of it in memory: one directory's names at a time. What is no
// file and no directory (a link, a socket) is passed over.

import { lstat, opendir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { KeptObject } from './file-store.ts'

/** A file that is being written. No key has such a segment, since a segment begins with a letter or a digit. */
export const partPrefix = '.part-'

/** The files whose key begins with `prefix` and comes after `after`. */
export async function* filesBelow(root: string, prefix: string, after: string): AsyncGenerator<KeptObject> {
  yield* filesIn(root, wholeSegments(prefix), prefix, after)
}

async function* filesIn(root: string, path: string, prefix: string, after: string): AsyncGenerator<KeptObject> {
  // A directory's name sorts as its keys do, with the slash behind it: `a.b` comes before `a/b`.
  const names: string[] = []
  for await (const entry of await entriesOf(join(root, path))) {
    if (entry.name.startsWith('.')) continue
    if (entry.isDirectory()) names.push(`${entry.name}/`)
    else if (entry.isFile()) names.push(entry.name)
  }
  for (const name of names.sort()) {
    const key = path === '' ? name : `${path}/${name}`
    const mayHold = key.startsWith(prefix) || (key.endsWith('/') && prefix.startsWith(key))
    const isPassed = key <= after && !(key.endsWith('/') && after.startsWith(key))
    if (!mayHold || isPassed) continue
    if (key.endsWith('/')) {
      yield* filesIn(root, key.slice(0, -1), prefix, after)
      continue
    }
    // One that was deleted in between is not there.
    const found = await lstat(join(root, key)).catch(() => undefined)
    if (found !== undefined) yield { key, bytes: found.size, modifiedAt: found.mtime }
  }
}

/** Removes what killed processes were writing, if nobody has written to it since. @returns how many there were. */
export async function removeParts(root: string, prefix: string, before: Date): Promise<number> {
  let removed = 0
  const visit = async (path: string): Promise<void> => {
    for await (const entry of await entriesOf(join(root, path))) {
      const at = path === '' ? entry.name : `${path}/${entry.name}`
      if (entry.name.startsWith(partPrefix)) removed += Number(await removeIfOlder(join(root, at), before))
      else if (entry.isDirectory() && (`${at}/`.startsWith(prefix) || prefix.startsWith(`${at}/`))) await visit(at)
    }
  }
  await visit(wholeSegments(prefix))
  return removed
}

async function removeIfOlder(part: string, before: Date): Promise<boolean> {
  try {
    if ((await lstat(part)).mtime >= before) return false
    await rm(part, { force: true })
    return true
  } catch {
    // Somebody else's business, or gone already.
    return false
  }
}

/** All that begins so is below the last whole segment. */
function wholeSegments(prefix: string): string {
  return prefix.includes('/') ? prefix.slice(0, prefix.lastIndexOf('/')) : ''
}

async function entriesOf(directory: string): Promise<AsyncIterable<import('node:fs').Dirent>> {
  try {
    return await opendir(directory)
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(String((error as { readonly code?: unknown }).code))) return nothing()
    throw error
  }
}

async function* nothing(): AsyncGenerator<never> {}
