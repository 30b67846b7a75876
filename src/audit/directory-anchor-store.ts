// Anchors as files, each written once: a directory on another machine's disk, or one that is copied to where nothing can be deleted.

import { randomUUID } from 'node:crypto'
import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { TenantId } from '../core/tenant.ts'
import { ObjectStoreError } from '../errors.ts'
import { type AnchorStore, anchorName, headIn } from './anchor-store.ts'
import type { SignedHead } from './signed-head.ts'

/** Below this directory, one for each tenant. Files are read-only, and can be read by their owner alone. */
export function directoryAnchors(path: string): AnchorStore {
  const root = resolve(path)
  return {
    kind: 'directory',
    put: async (head) => await put(join(root, head.tenant), head),
    list: async (tenant) => await list(join(root, tenant), tenant, (names) => names),
    latest: async (tenant) => (await list(join(root, tenant), tenant, (names) => names.slice(-1)))[0],
  }
}

async function put(directory: string, head: SignedHead): Promise<void> {
  const part = join(directory, `.part-${randomUUID()}`)
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
    await writeDurably(part, `${JSON.stringify(head)}\n`)
    // A link refuses a name that is taken, where a rename would replace what it had.
    await link(part, join(directory, anchorName(head))).catch(unlessThere)
    await syncDirectory(directory)
  } catch (cause) {
    throw new ObjectStoreError(`The anchor of ${head.tenant} at position ${head.position} was not kept.`, { cause })
  } finally {
    await rm(part, { force: true }).catch(() => {})
  }
}

/** @param wanted Which of the names, which are in order of position, are read. */
async function list(
  directory: string,
  tenant: TenantId,
  wanted: (names: readonly string[]) => readonly string[],
): Promise<readonly SignedHead[]> {
  try {
    const names = (await readdir(directory).catch(noneIfMissing)).filter((name) => !name.startsWith('.part-')).sort()
    const heads: SignedHead[] = []
    for (const name of wanted(names)) heads.push(headIn(await readFile(join(directory, name), 'utf8'), name))
    return heads
  } catch (cause) {
    if (cause instanceof ObjectStoreError) throw cause
    throw new ObjectStoreError(`The anchors of ${tenant} cannot be read.`, { cause })
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const handle = await open(path, 'wx', 0o400)
  try {
    await handle.writeFile(text)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The name is in the directory, which is a file of its own. */
async function syncDirectory(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error
}

function noneIfMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return []
  throw error
}
