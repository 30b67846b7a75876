import assert from 'node:assert/strict'
import { chmod, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { directoryStore } from '../../src/backup/directory-store.ts'
import { memoryStore } from '../../src/backup/memory-store.ts'
import { s3Store } from '../../src/backup/s3-store.ts'
import { ObjectStoreError, TenancyError } from '../../src/errors.ts'
import { inPieces, objectStoreConformance } from './object-store-conformance.ts'

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'partywall-store-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

objectStoreConformance('a store in memory', async () => memoryStore())
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
