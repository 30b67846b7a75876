// A full disk, a killed process, a client that reads slowly.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ObjectStoreError } from '../../src/errors.ts'
import { directoryStore } from '../../src/objects/directory-store.ts'
import type { FileStore } from '../../src/objects/file-store.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { fileKey } from '../../src/resources/files/file-key.ts'
import { MemoryFileIndexes } from '../../src/resources/files/memory-file-index.ts'
import { FilesOfTenants, type TenantFiles } from '../../src/resources/files/tenant-files.ts'
import { inPieces } from '../objects/object-store-conformance.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { contextOf } from './cache-conformance.ts'
import { textOf } from './files-conformance.ts'

const bob = contextOf('bob', 1)
const report = fileKey('report')
const source = (path: string): string => new URL(`../../src/${path}`, import.meta.url).href

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'partywall-faults-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

function filesIn(store: FileStore, clock = new ManualClock(Date.now())) {
  const files = new FilesOfTenants({ options: { store }, indexes: new MemoryFileIndexes(), clock })
  return files.for(bob)
}

async function partsBelow(path: string): Promise<readonly string[]> {
  return (await readdir(path, { recursive: true })).filter((name) => name.includes('.part-'))
}

/** A program that puts an object whose bytes come for ever, and says so when some of them are written. */
const endless = (path: string): string => `
  const { directoryStore } = await import(${JSON.stringify(source('objects/directory-store.ts'))})
  async function* body() {
    for (let n = 0; ; n += 1) {
      yield Buffer.alloc(65536, 1)
      if (n === 20) { process.stdout.write('written'); if (process.argv[1] === 'wait') await new Promise(() => setInterval(() => {}, 1000)) }
    }
  }
  try { await directoryStore(${JSON.stringify(path)}).put('files/bobs/object', body()) } catch (error) { process.stdout.write(error.code + ' ' + error.message) }`

test('a process that is killed before its object has appeared leaves what was there, and its remains are swept', async (t) => {
  const path = await directory(t)
  const store = directoryStore(path)
  await store.put('files/bobs/object', inPieces(Buffer.from('before')))
  const child = spawn(process.execPath, ['--input-type=module', '-e', endless(path), 'wait'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.deepEqual(await store.list(''), [{ key: 'files/bobs/object', bytes: 6 }])
  assert.equal((await partsBelow(path)).length, 1)
  assert.equal(await store.discardUnfinished('files/carols/', new Date(Date.now() + 60_000)), 0)
  assert.equal(await store.discardUnfinished('files/bobs/', new Date(Date.now() + 60_000)), 1)
  assert.deepEqual(await partsBelow(path), [])
})

test('a write that fails in the middle leaves what was there, and no part', async (t) => {
  const path = await directory(t)
  const store = directoryStore(path)
  await store.put('files/bobs/object', inPieces(Buffer.from('before')))
  // No file of the process may be longer: half a megabyte, in blocks of 512 bytes.
  const command = 'ulimit -f 1000; exec "$0" --input-type=module -e "$1" go'
  const { stdout } = spawnSync('sh', ['-c', command, process.execPath, endless(path)], { encoding: 'utf8' })
  assert.match(stdout, /PW_OBJECT_STORE .*EFBIG/)
  assert.deepEqual(await store.list(''), [{ key: 'files/bobs/object', bytes: 6 }])
  assert.deepEqual(await partsBelow(path), [])
})

test('a full disk refuses a file by name, keeps nothing of it, and takes the next when there is room', async (t) => {
  // Whoever may not make a small disk has the test above, where a write fails in the same place.
  const path = join(await directory(t), 'small')
  await mkdir(path)
  const isMounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path]).status === 0
  if (!isMounted) return t.diagnostic('No small disk could be made here.')
  try {
    await fillUp(filesIn(directoryStore(path)), path)
  } finally {
    spawnSync('umount', ['-l', path])
  }
})

async function fillUp(bobs: TenantFiles, path: string): Promise<void> {
  await bobs.put(fileKey('kept'), Buffer.alloc(400_000, 1))
  const isTold = (error: unknown) => error instanceof ObjectStoreError && !error.retryable && /ENOSPC.*no space left/.test(error.message)
  await assert.rejects(bobs.put(report, Buffer.alloc(800_000, 1)), isTold)
  await assert.rejects(
    bobs.copy(fileKey('kept'), report).then(() => bobs.copy(fileKey('kept'), fileKey('again'))),
    isTold,
  )
  assert.deepEqual(await partsBelow(path), [])
  await bobs.delete(fileKey('kept'))
  await bobs.put(fileKey('next'), Buffer.alloc(400_000, 1))
  const usage = await bobs.usage()
  assert.equal(usage.bytes, usage.files * 400_000)
}

test('a store that takes slowly is waited for: its source is not read ahead of it', async () => {
  const memory = memoryStore()
  let pulled = 0
  let aheadMax = 0
  async function* body(): AsyncGenerator<Uint8Array> {
    for (; pulled < 200; pulled += 1) yield Buffer.alloc(10_000, 1)
  }
  const slow: FileStore = Object.assign(memoryStore(), {
    put: async (key: string, stream: AsyncIterable<Uint8Array>) => {
      let taken = 0
      const watched = async function* () {
        for await (const piece of stream) {
          await new Promise((resolve) => setImmediate(resolve))
          taken += piece.byteLength
          aheadMax = Math.max(aheadMax, (pulled + 1) * 10_000 - taken)
          yield piece
        }
      }
      return await memory.put(key, watched())
    },
  })
  await filesIn(slow).put(report, body())
  assert.equal(pulled, 200)
  assert.ok(aheadMax <= 20_000, `${aheadMax} bytes were read ahead`)
})

test('what becomes of a file whose name could not be asked for is seen later: its object stays, and is swept if nothing names it', async () => {
  const store = memoryStore()
  const indexes = new MemoryFileIndexes()
  const clock = new ManualClock(Date.now() + 2 * 86_400_000)
  const lost = new ObjectStoreError('The connection was lost: nobody knows.')
  const unsure = (isCommitted: boolean) => {
    const index = indexes.for(bob)
    const put: typeof index.put = async (file, options) => {
      if (isCommitted) await index.put(file, options)
      throw lost
    }
    return new FilesOfTenants({ options: { store }, indexes: { for: () => ({ ...index, put }) }, clock }).for(bob)
  }
  await assert.rejects(unsure(true).put(report, Buffer.from('it was named')), lost)
  assert.equal(await textOf(unsure(true), report), 'it was named')
  await assert.rejects(unsure(false).put(report, Buffer.from('it was not')), lost)
  assert.equal(await textOf(unsure(true), report), 'it was named')
  assert.equal((await unsure(true).sweep()).objects, 1)
  assert.equal(await textOf(unsure(true), report), 'it was named')
})
