// Objects in a bucket of S3, or of what speaks its protocol, through AWS's own client.
// https://docs.aws.amazon.com/AmazonS3/latest/API/
//
// The client is loaded at the first call, so that nobody who does not use it needs it. Its errors are not passed on: they carry the
// answer that they were made of.

import { Readable } from 'node:stream'
import { AbortedError, ConfigurationError, ObjectStoreError, TenancyError } from '../errors.ts'
import {
  type ByteRange,
  type DirectAccess,
  type DirectAccessSigner,
  type FileStore,
  type KeptObject,
  type ObjectPage,
  pageObjectsMax,
} from './file-store.ts'
import { type ByteStream, checkedObjectKey, checkedObjectPrefix, type ObjectOptions, type StoredObject } from './object-store.ts'

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
 * Keeps objects in a bucket. Needs the packages `@aws-sdk/client-s3` and `@aws-sdk/lib-storage`, and of permissions `s3:PutObject`,
 * `s3:GetObject`, `s3:DeleteObject`, `s3:ListBucket` and `s3:AbortMultipartUpload`; for files of tenants `s3:ListBucketMultipartUploads`
 * too, and for addresses that clients use themselves the package `@aws-sdk/s3-request-presigner`.
 *
 * @throws {ConfigurationError} for a setting that is not valid; the first call, when a package is not installed.
 * @example
 * ```ts
 * const store = s3Store({ bucket: 'backups', region: 'eu-central-1', folder: 'partywall/production' })
 * ```
 */
export function s3Store(options: S3StoreOptions): FileStore {
  return new S3ObjectStore(options)
}

type Sdk = typeof import('@aws-sdk/client-s3')
type Storage = typeof import('@aws-sdk/lib-storage')
type Client = InstanceType<Sdk['S3Client']>

interface Loaded {
  readonly sdk: Sdk
  readonly storage: Storage
  readonly client: Client
  readonly signing: Client
}

const mebibyte = 1_048_576
/** The most that one request copies: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html */
const copyBytesMax = 5 * 1_024 * mebibyte
/** Of one list: ten million objects. */
const pagesMax = 10_000

class S3ObjectStore implements FileStore {
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

  async get(key: string, options: ObjectOptions = {}): Promise<ByteStream | undefined> {
    return await this.#read(key, {}, options)
  }

  async getRange(key: string, { start, end }: ByteRange, options: ObjectOptions = {}): Promise<ByteStream | undefined> {
    // There is no way to ask for no bytes, nor for such behind the end.
    const found = await this.head(key)
    if (found === undefined || start >= Math.min(end, found.bytes)) return found && nothing()
    return await this.#read(key, { Range: `bytes=${start}-${end - 1}` }, options)
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
    const found: StoredObject[] = []
    let after: string | undefined
    for (let pages = 1; ; pages += 1) {
      const { objects, next } = await this.page(prefix, { after })
      for (const { key, bytes } of objects) found.push({ key, bytes })
      if (next === undefined) return found.sort((a, b) => (a.key < b.key ? -1 : 1))
      if (pages === pagesMax) throw new ObjectStoreError(`S3: list ${prefix}: a list without an end.`, { retryable: false })
      after = next
    }
  }

  async page(prefix: string, options: { after?: string | undefined; limit?: number | undefined } = {}): Promise<ObjectPage> {
    const { after, limit: MaxKeys = pageObjectsMax } = options
    const Prefix = this.#folder + checkedObjectPrefix(prefix)
    const page = { Bucket: this.#options.bucket, Prefix, MaxKeys, ...(after !== undefined && { StartAfter: this.#folder + after }) }
    const answer = await this.#call(`list ${prefix}`, ({ sdk, client }) => client.send(new sdk.ListObjectsV2Command(page)))
    const objects: KeptObject[] = []
    for (const { Key = '', Size = 0, LastModified = new Date(0) } of answer.Contents ?? []) {
      if (Key.startsWith(Prefix)) objects.push({ key: Key.slice(this.#folder.length), bytes: Size, modifiedAt: LastModified })
    }
    return { objects, next: answer.IsTruncated === true ? objects.at(-1)?.key : undefined }
  }

  async copy(from: string, to: string, options: ObjectOptions = {}): Promise<StoredObject | undefined> {
    const target = this.#placeOf(to)
    const found = await this.head(from)
    if (found === undefined) return undefined
    if (found.bytes > copyBytesMax) {
      const body = await this.get(from, options)
      return body && (await this.put(to, body, options))
    }
    const source = this.#placeOf(from)
    const CopySource = `${source.Bucket}/${source.Key}`
    const answer = await this.#call(`copy ${from}`, ({ sdk, client }) =>
      unlessMissing(client.send(new sdk.CopyObjectCommand({ ...target, CopySource }), abortable(options))),
    )
    return answer && { key: to, bytes: found.bytes }
  }

  /** Parts of uploads that were never completed are paid for, and are in no list of objects. */
  async discardUnfinished(prefix: string, before: Date): Promise<number> {
    const { bucket: Bucket } = this.#options
    const Prefix = this.#folder + checkedObjectPrefix(prefix)
    const stale: { readonly Key: string; readonly UploadId: string }[] = []
    let markers: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } = {}
    for (let pages = 1; pages <= pagesMax; pages += 1) {
      const page = { Bucket, Prefix, ...markers }
      const answer = await this.#call(`list uploads ${prefix}`, ({ sdk, client }) => client.send(new sdk.ListMultipartUploadsCommand(page)))
      for (const { Key, UploadId, Initiated } of answer.Uploads ?? []) {
        if (Key?.startsWith(Prefix) && UploadId !== undefined && (Initiated ?? new Date(0)) < before) stale.push({ Key, UploadId })
      }
      if (answer.IsTruncated !== true || answer.NextKeyMarker === undefined) break
      markers = {
        KeyMarker: answer.NextKeyMarker,
        ...(answer.NextUploadIdMarker !== undefined && { UploadIdMarker: answer.NextUploadIdMarker }),
      }
    }
    for (const upload of stale) {
      await this.#call(`abort upload ${prefix}`, ({ sdk, client }) =>
        unlessMissing(client.send(new sdk.AbortMultipartUploadCommand({ Bucket, ...upload }))),
      )
    }
    return stale.length
  }

  readonly direct: DirectAccessSigner = { sign: async (key, access) => await this.#sign(key, access) }

  /** Signature Version 4 in the query: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html */
  async #sign(key: string, access: DirectAccess): Promise<{ readonly url: string; readonly headers: Readonly<Record<string, string>> }> {
    const place = this.#placeOf(key)
    const { method, contentType, disposition, expiresInMs } = access
    const expiresIn = Math.max(1, Math.floor(expiresInMs / 1_000))
    return await this.#call(`sign ${key}`, async ({ sdk, signing: client }) => {
      const { getSignedUrl } = await presigner()
      if (method === 'GET') {
        const told = {
          ...(contentType && { ResponseContentType: contentType }),
          ...(disposition && { ResponseContentDisposition: disposition }),
        }
        return { url: await getSignedUrl(client, new sdk.GetObjectCommand({ ...place, ...told }), { expiresIn }), headers: {} }
      }
      const headers = contentType === undefined ? {} : { 'content-type': contentType }
      const put = new sdk.PutObjectCommand({ ...place, ...(contentType && { ContentType: contentType }) })
      return { url: await getSignedUrl(client, put, { expiresIn, signableHeaders: new Set(Object.keys(headers)) }), headers }
    })
  }

  async #read(key: string, part: { readonly Range?: string }, options: ObjectOptions): Promise<ByteStream | undefined> {
    const place = this.#placeOf(key)
    const answer = await this.#call(`get ${key}`, ({ sdk, client }) =>
      unlessMissing(client.send(new sdk.GetObjectCommand({ ...place, ...part }), abortable(options))),
    )
    return answer === undefined ? undefined : readPieces(answer.Body as Readable, key, options.signal)
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
      const message = 'Objects in S3 need packages that are not there. Run: npm install @aws-sdk/client-s3 @aws-sdk/lib-storage'
      throw new ConfigurationError(message, { cause })
    })
    try {
      const settings = {
        maxAttempts: triesMax,
        forcePathStyle,
        ...(region === undefined ? {} : { region }),
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(credentials === undefined ? {} : { credentials: async () => withoutUndefined(await credentials()) }),
      }
      const client = new sdk.S3Client(settings)
      // Otherwise an address to put something has the checksum of nothing in it, and what is sent is refused.
      const signing = new sdk.S3Client({
        ...settings,
        requestChecksumCalculation: 'WHEN_REQUIRED',
        responseChecksumValidation: 'WHEN_REQUIRED',
      })
      await client.config.region()
      return { sdk, storage, client, signing }
    } catch (cause) {
      throw new ConfigurationError('There is no region, or none that can be: give region, or set AWS_REGION.', { cause })
    }
  }
}

function abortable({ signal }: ObjectOptions): { readonly abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

async function* nothing(): AsyncGenerator<never> {}

async function presigner(): Promise<typeof import('@aws-sdk/s3-request-presigner')> {
  return await import('@aws-sdk/s3-request-presigner').catch((cause: unknown) => {
    const message = 'Addresses into S3 need a package that is not there. Run: npm install @aws-sdk/s3-request-presigner'
    throw new ConfigurationError(message, { cause })
  })
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
    if (['NoSuchKey', 'NotFound', 'NoSuchUpload'].includes(nameOf(error))) return undefined
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
  throw new ConfigurationError('endpoint is not an https address. Over plain http anybody on the way can take objects away.')
}
