// Answers a request to a signed address, free of any framework: who has the address has what it opens, and nobody else's. Its signature
// is looked at first; then the tenant is entered, which refuses suspended ones; then the epoch.

import type { TenantContext } from '../../core/tenant-context.ts'
import { BodyTooLargeError, FileNotFoundError, MediaTypeError } from '../../errors.ts'
import type { ByteRange } from '../../objects/file-store.ts'
import type { ByteStream } from '../../objects/object-store.ts'
import { checkedContentType } from './content-type.ts'
import type { FileInfo } from './file-index.ts'
import { dispositionOf } from './signed-access.ts'
import type { SignedFile, SignedFileUrls } from './signed-file-urls.ts'
import type { TenantFiles } from './tenant-files.ts'

/** The part of a `Tenancy` that this needs. */
export interface FilesDoor {
  run<T>(tenant: string, fn: (context: TenantContext) => Promise<T>): Promise<T>
  files(): TenantFiles
}

export interface SignedFileRequest {
  readonly method: string
  /** The request target as it was sent. */
  readonly target: string
  /** Headers of the request, as they were sent. */
  readonly range?: string | undefined
  readonly contentType?: string | undefined
  readonly contentLength?: string | undefined
  readonly body?: ByteStream | undefined
  /** Fires when the client has gone. */
  readonly signal?: AbortSignal | undefined
}

export interface SignedFileAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: ByteStream | undefined
}

/** Nothing of a file is run, guessed, framed, kept by somebody on the way, or told to another site. */
const fixedHeaders: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox",
  'cache-control': 'private, no-store',
  'referrer-policy': 'no-referrer',
}

/**
 * Serves GET, HEAD and PUT of what a signed address opens.
 *
 * @example
 * ```ts
 * app.get('/f/*', async (request, reply) => {
 *   const { status, headers, body } = await serveSignedFile({ tenancy, urls }, { method: request.method, target: request.url, range: request.headers.range })
 *   return reply.code(status).headers(headers).send(body && Readable.from(body))
 * })
 * ```
 *
 * @throws {SignedUrlRefusedError} {@link TenantSuspendedError} {@link TenantNotFoundError}, and for PUT what `files.put` throws.
 */
export async function serveSignedFile(
  doors: { readonly tenancy: FilesDoor; readonly urls: SignedFileUrls },
  request: SignedFileRequest,
): Promise<SignedFileAnswer> {
  const { tenancy, urls } = doors
  const { tenantId } = await urls.verify(request.target, request.method)
  return await tenancy.run(tenantId, async () => {
    const files = tenancy.files()
    const opened = await files.verifySignedUrl(request.target, request)
    return opened.method === 'PUT' ? await store(files, opened, request) : await send(files, opened, request)
  })
}

async function send(files: TenantFiles, { key }: SignedFile, request: SignedFileRequest): Promise<SignedFileAnswer> {
  const file = await files.head(key)
  if (file === undefined) throw new FileNotFoundError(`There is no file ${key} any more.`)
  const headers = headersOf(file)
  const part = partOf(request.range, file.bytes)
  if (part === 'unsatisfiable')
    return { status: 416, headers: { ...fixedHeaders, 'content-range': `bytes */${file.bytes}` }, body: undefined }
  if (request.method === 'HEAD') return { status: 200, headers, body: undefined }
  const open = await files.get(key, { range: part, signal: request.signal })
  if (open === undefined) throw new FileNotFoundError(`There is no file ${key} any more.`)
  // Replaced between the two looks: what is sent is whole all the same.
  if (open.file.sha256 !== file.sha256) return await send(files, { key } as SignedFile, { ...request, range: undefined })
  if (part === undefined) return { status: 200, headers, body: open.body }
  const told = { 'content-length': String(part.end - part.start), 'content-range': `bytes ${part.start}-${part.end - 1}/${file.bytes}` }
  return { status: 206, headers: { ...headers, ...told }, body: open.body }
}

async function store(files: TenantFiles, opened: SignedFile, request: SignedFileRequest): Promise<SignedFileAnswer> {
  const { key, contentType, contentLengthMax } = opened
  const sent = request.contentType === undefined ? undefined : checkedContentType(request.contentType)
  if (contentType !== undefined && sent !== contentType) {
    throw new MediaTypeError(`The address takes ${contentType}; ${sent ?? 'nothing'} was said to come.`)
  }
  if (contentLengthMax !== undefined && Number(request.contentLength ?? 0) > contentLengthMax) {
    throw new BodyTooLargeError(`The address takes ${contentLengthMax} bytes; ${request.contentLength} were announced.`)
  }
  const body = request.body ?? new Uint8Array()
  const file = await files.put(key, body, { contentType: sent, bytesMax: contentLengthMax, signal: request.signal })
  return { status: 201, headers: { ...fixedHeaders, etag: `"${file.sha256}"`, 'content-length': '0' }, body: undefined }
}

function headersOf(file: FileInfo): Readonly<Record<string, string>> {
  return {
    ...fixedHeaders,
    'content-type': file.contentType,
    'content-length': String(file.bytes),
    'content-disposition': dispositionOf(file.key),
    'last-modified': file.createdAt.toUTCString(),
    'accept-ranges': 'bytes',
    etag: `"${file.sha256}"`,
  }
}

/** One part (RFC 9110 §14.1.2). More than one, or what is no range, is answered with all of it, as it may be. */
function partOf(range: string | undefined, bytes: number): ByteRange | undefined | 'unsatisfiable' {
  const asked = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(range ?? '')
  if (asked === null || (asked[1] === '' && asked[2] === '')) return undefined
  const [, first = '', last = ''] = asked
  if (first === '') return Number(last) === 0 || bytes === 0 ? 'unsatisfiable' : { start: Math.max(0, bytes - Number(last)), end: bytes }
  const start = Number(first)
  const end = last === '' ? bytes : Math.min(bytes, Number(last) + 1)
  if (last !== '' && Number(last) < start) return undefined
  return start >= bytes ? 'unsatisfiable' : { start, end }
}
