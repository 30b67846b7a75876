// Against moto, the stand-in for AWS that others test with.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ObjectStoreError } from '../../src/errors.ts'
import { s3Store } from '../../src/objects/s3-store.ts'
import { bytesOf, inPieces, objectStoreConformance } from '../objects/object-store-conformance.ts'
import { awsCredentials } from '../support/aws-server.ts'
import { pythonPackage } from '../support/python-package.ts'
import { realServer } from '../support/real-server.ts'

async function moto(t: TestContext): Promise<string> {
  const environment = pythonPackage('moto-5.2.5', 'moto[server]==5.2.5', (path) => existsSync(join(path, 'bin', 'moto_server')))
  return await realServer(
    t,
    join(environment, 'bin', 'python'),
    (port) => ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
    async (url) => (await fetch(`${url}/moto-api/data.json`)).status === 200,
  )
}

async function storeAt(endpoint: string, bucket = 'backups') {
  const made = await fetch(`${endpoint}/backups`, { method: 'PUT' })
  assert.equal(made.status, 200)
  return s3Store({ bucket, region: 'us-east-1', endpoint, credentials: async () => awsCredentials, partMiB: 5 })
}

objectStoreConformance('a store in S3, on moto', async (t) => await storeAt(await moto(t)))

test('a store in S3, on moto: an object of several parts comes back whole, and one that fails in the middle leaves no part', async (t) => {
  const endpoint = await moto(t)
  const store = await storeAt(endpoint)
  const content = randomBytes(12 * 1_048_576 + 7)
  await store.put('a/large', inPieces(content))
  assert.ok((await bytesOf(await store.get('a/large')))?.equals(content))
  const broken = new ObjectStoreError('The source is gone.')
  await assert.rejects(
    store.put(
      'a/broken',
      (async function* () {
        yield* inPieces(content)
        throw broken
      })(),
    ),
    broken,
  )
  assert.equal(await store.head('a/broken'), undefined)
  assert.doesNotMatch(await (await fetch(`${endpoint}/backups?uploads`)).text(), /<Upload>/)
})

test('a store in S3, on moto: a bucket that is not there is an error that names the call and no credentials', async (t) => {
  const store = await storeAt(await moto(t), 'nothing')
  const isTold = (error: unknown) =>
    error instanceof ObjectStoreError &&
    /S3: list .*NoSuchBucket/.test(error.message) &&
    !JSON.stringify(error).includes(awsCredentials.secretAccessKey)
  await assert.rejects(store.list(''), isTold)
})
