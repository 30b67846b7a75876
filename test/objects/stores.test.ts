import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ObjectStoreError, TenancyError } from '../../src/errors.ts'
import { directoryStore } from '../../src/objects/directory-store.ts'
import { memoryStore } from '../../src/objects/memory-store.ts'
import { s3Store } from '../../src/objects/s3-store.ts'
import { fileStoreConformance } from './file-store-conformance.ts'
import { inPieces, objectStoreConformance } from './object-store-conformance.ts'

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'partywall-store-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

objectStoreConformance('a store in memory', async () => memoryStore())
fileStoreConformance('a store in memory', async () => memoryStore())
fileStoreConformance('a store in a directory', async (t) => directoryStore(join(await directory(t), 'made', 'below')))
objectStoreConformance('a store in a directory', async (t) => directoryStore(join(await directory(t), 'made', 'below')))

test('a store in a directory: files are their owner’s alone', async (t) => {
  const path = await directory(t)
  await directoryStore(path).put('a/b', inPieces(Buffer.from('x')))
  assert.equal((await stat(join(path, 'a', 'b'))).mode & 0o777, 0o600)
  assert.equal((await stat(join(path, 'a'))).mode & 0o777, 0o700)
})

test('a store in a directory: what a killed process was writing is no object, and an empty directory is taken away', async (t) => {
  const path = await directory(t)
  const store = directoryStore(path)
  await store.put('a/b', inPieces(Buffer.from('x')))
  await writeFile(join(path, 'a', '.part-of-somebody'), 'half')
  assert.deepEqual(
    (await store.list('')).map(({ key }) => key),
    ['a/b'],
  )
  // Of this moment it may be somebody's who is writing; of last week it is nobody's.
  const lastWeek = new Date(Date.now() - 7 * 86_400_000)
  await utimes(join(path, 'a', '.part-of-somebody'), lastWeek, lastWeek)
  await store.list('')
  assert.deepEqual(await readdir(join(path, 'a')), ['b'])
  await store.delete('a/b')
  assert.deepEqual(await readdir(path), [])
})

test('a store in a directory: a symbolic link is followed nowhere below it, whoever put it there', async (t) => {
  const path = await directory(t)
  const outside = await directory(t)
  await writeFile(join(outside, 'secret'), 'of somebody else')
  const store = directoryStore(path)
  await store.put('a/own', inPieces(Buffer.from('x')))
  await symlink(join(outside, 'secret'), join(path, 'a', 'file'))
  await symlink(outside, join(path, 'a', 'way'))
  await symlink(join(outside, 'nowhere'), join(path, 'a', 'dangling'))
  const isTold = (error: unknown) =>
    error instanceof ObjectStoreError && /symbolic link/.test(error.message) && !error.message.includes(outside)
  for (const key of ['a/file', 'a/way/secret', 'a/way/new', 'a/dangling']) {
    await assert.rejects(store.put(key, inPieces(Buffer.from('x'))), isTold, key)
    await assert.rejects(store.get(key), isTold, key)
    await assert.rejects(store.getRange(key, { start: 0, end: 1 }), isTold, key)
    await assert.rejects(store.head(key), isTold, key)
    await assert.rejects(store.delete(key), isTold, key)
    await assert.rejects(store.copy(key, 'b/c'), isTold, key)
    await assert.rejects(store.copy('a/own', key), isTold, key)
  }
  assert.deepEqual(await store.list(''), [{ key: 'a/own', bytes: 1 }])
  assert.deepEqual(await readdir(outside), ['secret'])
  assert.equal(await readFile(join(outside, 'secret'), 'utf8'), 'of somebody else')
})

test('a store in a directory: what was never finished is taken away below one prefix, and nowhere else', async (t) => {
  const path = await directory(t)
  const store = directoryStore(path)
  for (const place of ['a/b', 'ab', 'a']) {
    await mkdir(join(path, place), { recursive: true })
    await writeFile(join(path, place, '.part-of-somebody'), 'half')
  }
  assert.equal(await store.discardUnfinished('a/', new Date(Date.now() - 60_000)), 0)
  assert.equal(await store.discardUnfinished('a/', new Date(Date.now() + 60_000)), 2)
  assert.deepEqual(await readdir(join(path, 'ab')), ['.part-of-somebody'])
})

test('a store in a directory: what the file system refuses is an error that names the call, and no path', async (t) => {
  const path = await directory(t)
  await writeFile(join(path, 'a'), 'a file where a directory should be')
  const isTold = (error: unknown) => error instanceof ObjectStoreError && /put a\/b/.test(error.message) && !error.message.includes(path)
  await assert.rejects(directoryStore(path).put('a/b', inPieces(Buffer.from('x'))), isTold)
  if (process.getuid?.() === 0) return
  await chmod(path, 0o500)
  await assert.rejects(directoryStore(path).put('c', inPieces(Buffer.from('x'))), ObjectStoreError)
  await chmod(path, 0o700)
})

test('a store in S3: settings that cannot be are refused before anything is sent', () => {
  const settings = { bucket: 'backups', region: 'eu-central-1' }
  assert.equal(s3Store(settings).kind, 's3')
  for (const wrong of [
    { bucket: '' },
    { folder: '../else' },
    { endpoint: 'http://store.example' },
    { endpoint: 'ftp://127.0.0.1' },
    { partMiB: 4 },
    { triesMax: 0 },
  ]) {
    assert.throws(() => s3Store({ ...settings, ...wrong }), TenancyError, JSON.stringify(wrong))
  }
})

test('a store in S3: one that does not answer is an error that may pass', async () => {
  const credentials = async () => ({ accessKeyId: 'AKIATEST', secretAccessKey: 'Aws5ecretKey' })
  const store = s3Store({ bucket: 'backups', region: 'eu-central-1', endpoint: 'http://127.0.0.1:1', credentials, triesMax: 1 })
  const isTold = (error: unknown) =>
    error instanceof ObjectStoreError && error.retryable && /S3: head a\/b: ECONNREFUSED/.test(error.message)
  await assert.rejects(store.head('a/b'), isTold)
})
