// Objects in a bucket of S3, or of what speaks its protocol, through AWS's own client.
// https://docs.aws.amazon.com/AmazonS3/latest/API/
//
// The client is loaded at the first call, so that nobody who does not use it needs it. Its errors are not passed on: they carry the
// answer that they were made of.

import { Readable } from 'node:stream'
import { AbortedError, ConfigurationError, ObjectStoreError, TenancyError } from '../errors.ts'
import {
  type ByteStream,
  checkedObjectKey,
  checkedObjectPrefix,
  type ObjectOptions,
  type ObjectStore,
  type StoredObject,
} from './object-store.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string | undefined
  readonly expiration?: Date | undefined
}

export interface S3StoreOptions {
  readonly bucket: string
  /** What all keys begin with, and a slash. Default `partywall`. */
  readonly folder?: string | undefined
  /** Default: where the client finds it, e.g. in `AWS_REGION`. */
  readonly region?: string | undefined
  /** Of another store than AWS's. https; plain http only for loopback. */
  readonly endpoint?: string | undefined
  /** The bucket in the path instead of the host's name: many stores other than AWS's want it. Default: with an `endpoint`. */
  readonly forcePathStyle?: boolean | undefined
  /** Default: where the client finds them: environment, profile, role of the container or the machine. */
  readonly credentials?: (() => Promise<S3Credentials>) | undefined
  /** Of one part, in MiB: 5 to 1,024, default 16. An object has 10,000 parts at most; two of each are in memory. */
  readonly partMiB?: number | undefined
  /** How often a request is tried when the service is busy or not to be reached. Default 3, at most 100. */
  readonly triesMax?: number | undefined
}

/**
 * Keeps backups in a bucket. Needs the packages `@aws-sdk/client-s3` and `@aws-sdk/lib-storage`, and of permissions `s3:PutObject`,
 * `s3:GetObject`, `s3:DeleteObject`, `s3:ListBucket` and `s3:AbortMultipartUpload`.
 *
 * @throws {ConfigurationError} for a setting that is not valid; the first call, when a package is not installed.
 * @example
 * ```ts
 * const store = s3Store({ bucket: 'backups', region: 'eu-central-1', folder: 'partywall/production' })
 * ```
 */
export function s3Store(options: S3StoreOptions): ObjectStore {
  return new S3ObjectStore(options)
}

type Sdk = typeof import('@aws-sdk/client-s3')
type Storage = typeof import('@aws-sdk/lib-storage')

interface Loaded {
  readonly sdk: Sdk
  readonly storage: Storage
  readonly client: InstanceType<Sdk['S3Client']>
}

const mebibyte = 1_048_576
/** Of one list: ten million objects. */
const pagesMax = 10_000

class S3ObjectStore implements ObjectStore {
  readonly kind = 's3'
  readonly #options: S3StoreOptions
  readonly #folder: string
  readonly #partBytes: number
  #loading: Promise<Loaded> | undefined

  constructor(options: S3StoreOptions) {
    const { folder = 'partywall', partMiB = 16, triesMax = 3, bucket, endpoint } = options
    if (typeof bucket !== 'string' || bucket === '') throw new ConfigurationError('bucket is the name of a bucket.')
    refuseOutOf('partMiB', partMiB, 5, 1_024)
    refuseOutOf('triesMax', triesMax, 1, 100)
    if (endpoint !== undefined) refusePlainHttp(endpoint)
    this.#folder = `${checkedObjectKey(folder)}/`
    this.#options = options
    this.#partBytes = partMiB * mebibyte
  }

  async put(key: string, body: ByteStream, { signal }: ObjectOptions = {}): Promise<StoredObject> {
    const place = this.#placeOf(key)
    let bytes = 0
    let failure: { readonly error: unknown } | undefined
    async function* watched(): AsyncGenerator<Uint8Array> {
      try {
        for await (const piece of body) {
          if (signal?.aborted === true) throw new AbortedError(`Storing ${key} was cancelled. Nothing of it is kept.`)
          bytes += piece.byteLength
          yield piece
        }
      } catch (error) {
        // What the client throws instead may say less.
        failure = { error }
        throw error
      }
    }
    await this.#call(`put ${key}`, async ({ storage, client }) => {
      const stream = Readable.from(watched(), { objectMode: false })
      const upload = new storage.Upload({ client, params: { ...place, Body: stream }, partSize: this.#partBytes, queueSize: 2 })
      const stop = (): void => void upload.abort()
      signal?.addEventListener('abort', stop, { once: true })
      try {
        await upload.done()
      } catch (error) {
        if (failure !== undefined) throw failure.error
        throw signal?.aborted === true ? new AbortedError(`Storing ${key} was cancelled. Nothing of it is kept.`, { cause: error }) : error
      } finally {
        signal?.removeEventListener('abort', stop)
        stream.destroy()
      }
    })
    return { key, bytes }
  }

  async get(key: string, { signal }: ObjectOptions = {}): Promise<ByteStream | undefined> {
    const place = this.#placeOf(key)
    const answer = await this.#call(`get ${key}`, ({ sdk, client }) =>
      unlessMissing(client.send(new sdk.GetObjectCommand(place), { ...(signal && { abortSignal: signal }) })),
    )
    return answer === undefined ? undefined : readPieces(answer.Body as Readable, key, signal)
  }

  async head(key: string): Promise<StoredObject | undefined> {
    const place = this.#placeOf(key)
    const answer = await this.#call(`head ${key}`, ({ sdk, client }) => unlessMissing(client.send(new sdk.HeadObjectCommand(place))))
    return answer === undefined ? undefined : { key, bytes: answer.ContentLength ?? 0 }
  }

  async delete(key: string): Promise<void> {
    const place = this.#placeOf(key)
    await this.#call(`delete ${key}`, ({ sdk, client }) => unlessMissing(client.send(new sdk.DeleteObjectCommand(place))))
  }

  async list(prefix: string): Promise<readonly StoredObject[]> {
    const { bucket: Bucket } = this.#options
    const Prefix = this.#folder + checkedObjectPrefix(prefix)
    const found: StoredObject[] = []
    let ContinuationToken: string | undefined
    for (let pages = 1; ; pages += 1) {
      const page = { Bucket, Prefix, ...(ContinuationToken === undefined ? {} : { ContinuationToken }) }
      const answer = await this.#call(`list ${prefix}`, ({ sdk, client }) => client.send(new sdk.ListObjectsV2Command(page)))
      for (const { Key = '', Size = 0 } of answer.Contents ?? []) {
        if (Key.startsWith(Prefix)) found.push({ key: Key.slice(this.#folder.length), bytes: Size })
      }
      ContinuationToken = answer.NextContinuationToken
      if (answer.IsTruncated !== true || ContinuationToken === undefined) break
      if (pages === pagesMax) throw new ObjectStoreError(`S3: list ${prefix}: a list without an end.`, { retryable: false })
    }
    return found.sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  #placeOf(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#options.bucket, Key: this.#folder + checkedObjectKey(key) }
  }

  async #call<T>(what: string, work: (loaded: Loaded) => Promise<T>): Promise<T> {
    this.#loading ??= this.#load()
    try {
      return await work(await this.#loading)
    } catch (error) {
      // So that whoever has mended it meanwhile needs no restart.
      if (error instanceof ConfigurationError) this.#loading = undefined
      throw failed(what, error)
    }
  }

  async #load(): Promise<Loaded> {
    const { region, endpoint, credentials, triesMax = 3, forcePathStyle = endpoint !== undefined } = this.#options
    const [sdk, storage] = await Promise.all([import('@aws-sdk/client-s3'), import('@aws-sdk/lib-storage')]).catch((cause: unknown) => {
      const message = 'Backups in S3 need packages that are not there. Run: npm install @aws-sdk/client-s3 @aws-sdk/lib-storage'
      throw new ConfigurationError(message, { cause })
    })
    try {
      const client = new sdk.S3Client({
        maxAttempts: triesMax,
        forcePathStyle,
        ...(region === undefined ? {} : { region }),
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(credentials === undefined ? {} : { credentials: async () => withoutUndefined(await credentials()) }),
      })
      await client.config.region()
      return { sdk, storage, client }
    } catch (cause) {
      throw new ConfigurationError('There is no region, or none that can be: give region, or set AWS_REGION.', { cause })
    }
  }
}

async function* readPieces(body: Readable, key: string, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of body) yield piece as Buffer
  } catch (error) {
    throw signal?.aborted === true ? new AbortedError(`Reading ${key} was cancelled.`) : failed(`get ${key}`, error)
  }
}

async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer
  } catch (error) {
    if (['NoSuchKey', 'NotFound'].includes(nameOf(error))) return undefined
    throw error
  }
}

function failed(what: string, error: unknown): unknown {
  // What the stream of the caller threw is not the store's failure.
  if (error instanceof TenancyError) return error
  const name = nameOf(error)
  const { $metadata: metadata } = error as { readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string } }
  const status = metadata?.httpStatusCode
  const isPassing = status === undefined ? !/Credential|Region|Token/.test(name) : status === 429 || status >= 500
  return new ObjectStoreError(`S3: ${what}: ${name}${status === undefined ? '' : `, status ${status}`}.`, {
    retryable: isPassing,
    details: { call: what, error: name, status, requestId: metadata?.requestId },
  })
}

/** The name alone: the message may repeat what was sent. */
function nameOf(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown }
  for (const each of [code, name]) {
    if (typeof each === 'string' && /^[A-Za-z][A-Za-z0-9_]{2,63}$/.test(each) && each !== 'Error') return each
  }
  return 'unknown error'
}

function withoutUndefined({ accessKeyId, secretAccessKey, sessionToken, expiration }: S3Credentials) {
  return { accessKeyId, secretAccessKey, ...(sessionToken && { sessionToken }), ...(expiration && { expiration }) }
}

function refuseOutOf(name: string, value: number, least: number, most: number): void {
  if (Number.isInteger(value) && value >= least && value <= most) return
  throw new ConfigurationError(`${name} is ${value}; it must be a whole number from ${least} to ${most}.`)
}

const loopbackHosts: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]'])

function refusePlainHttp(endpoint: string): void {
  const url = URL.parse(endpoint)
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && loopbackHosts.has(url.hostname))) return
  throw new ConfigurationError('endpoint is not an https address. Over plain http anybody on the way can take backups away.')
}
