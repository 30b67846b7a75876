// Addresses of files for clients: through the application, or straight into a store that allows it. What a client sends straight to the
// store is no file yet: it lies aside until it is completed, and is copied before it is judged, because its address is still good and
// could put something else in its place.

import { ConfigurationError, FileNotFoundError, InvalidInputError, SignedUrlRefusedError } from '../../errors.ts'
import type { DirectAccessSigner } from '../../objects/file-store.ts'
import { checkedContentType, judgedContentType } from './content-type.ts'
import { corrupt, type FileAccess, type PutFileOptions, told } from './file-access.ts'
import type { FileInfo } from './file-index.ts'
import { type FileKey, parseFileKey } from './file-key.ts'
import { Intake, untilAborted } from './intake.ts'
import { incomingKey, newObjectId, objectKey } from './object-key.ts'
import type { SignedFile, SignedFileUrls } from './signed-file-urls.ts'

export interface SignedUrlOptions {
  /** At least 1,000. At most `urlMsMax` (24 hours) through the application, `directUrlMsMax` (15 minutes) into the store itself. */
  readonly expiresInMs: number
  /** Default GET, which also answers HEAD. */
  readonly method?: 'GET' | 'PUT' | undefined
  /** PUT: what the client has to send. */
  readonly contentType?: string | undefined
  /** PUT: the most that it may send, where that is less than `fileBytesMax`. */
  readonly contentLengthMax?: number | undefined
}

/** An address for a client. */
export interface SignedUrl {
  readonly url: string
  readonly method: 'GET' | 'PUT'
  /** What the client must send with it. */
  readonly headers: Readonly<Record<string, string>>
  readonly expiresAt: Date
  /** PUT: what `files.complete` takes when the client says that it is done. Not for the client. */
  readonly ticket: string | undefined
}

/** How long after its address has expired an upload may be completed. */
const completionMs = 3_600_000

export async function signedUrl(access: FileAccess, key: FileKey, options: SignedUrlOptions): Promise<SignedUrl> {
  parseFileKey(key)
  const { settings, context } = access.parts
  const { method = 'GET', expiresInMs, contentLengthMax } = options
  if (contentLengthMax !== undefined && !(Number.isSafeInteger(contentLengthMax) && contentLengthMax > 0)) {
    throw new InvalidInputError(`contentLengthMax is ${contentLengthMax}. Give a number of bytes.`)
  }
  const urls = urlsOf(access)
  const { id: tenantId, epoch } = context.tenant
  const contentType = options.contentType === undefined ? undefined : checkedContentType(options.contentType)
  const claims = (mostMs: number): SignedFile => ({
    ...{ tenantId, epoch, key, method, contentType, contentLengthMax },
    expiresAt: urls.expiry(expiresInMs, mostMs),
  })
  if (method === 'GET') return await readingUrl(access, claims, options)
  const direct = settings.direct ? access.store().direct : undefined
  if (direct !== undefined) return await uploadUrl(access, direct, claims(settings.directUrlMsMax))
  const claimed = claims(settings.urlMsMax)
  return {
    ...{ url: await urls.url(claimed), method, expiresAt: claimed.expiresAt },
    headers: contentType === undefined ? {} : { 'content-type': contentType },
    ticket: await urls.uploadTicket(later(claimed)),
  }
}

async function readingUrl(
  access: FileAccess,
  claims: (mostMs: number) => SignedFile,
  { expiresInMs }: SignedUrlOptions,
): Promise<SignedUrl> {
  const { settings, context, index } = access.parts
  const method = 'GET'
  const limited = { headers: {}, ticket: undefined, method } as const
  const { key } = claims(Math.max(settings.directUrlMsMax, settings.urlMsMax))
  const file = await index.find(key)
  if (file === undefined) throw new FileNotFoundError(`There is no file ${key}.`)
  const direct = settings.direct ? access.storeOf(file).direct : undefined
  if (direct === undefined) {
    const claimed = claims(settings.urlMsMax)
    return { ...limited, url: await urlsOf(access).url(claimed), expiresAt: claimed.expiresAt }
  }
  const { expiresAt } = claims(settings.directUrlMsMax)
  const object = objectKey(context.tenant.id, file.objectId)
  const how = { method, expiresInMs, contentType: file.contentType, disposition: dispositionOf(key) } as const
  return { ...limited, url: (await direct.sign(object, how)).url, expiresAt }
}

async function uploadUrl(access: FileAccess, direct: DirectAccessSigner, claims: SignedFile): Promise<SignedUrl> {
  const { tenantId, method, expiresAt, contentType } = claims
  const uploadId = newObjectId()
  const expiresInMs = urlsOf(access).msUntil(expiresAt)
  const { url, headers } = await direct.sign(incomingKey(tenantId, uploadId), { method, expiresInMs, contentType })
  return { url, method, headers, expiresAt, ticket: await urlsOf(access).uploadTicket({ ...later(claims), uploadId }) }
}

/** @throws {SignedUrlRefusedError} */
export async function verifySignedUrl(access: FileAccess, url: string, { method }: { readonly method: string }): Promise<SignedFile> {
  const claims = await urlsOf(access).verify(url, method)
  const { id, epoch } = access.parts.context.tenant
  if (claims.tenantId !== id) throw new SignedUrlRefusedError('The signed address is another tenant’s.')
  // One that is newer was signed by a process which has heard of a change before this one.
  if (!(claims.epoch >= epoch))
    throw new SignedUrlRefusedError(`The signed address is of epoch ${claims.epoch}; the tenant is at ${epoch}.`)
  return claims
}

/** Makes a file of what a client has sent. */
export async function complete(
  access: FileAccess,
  ticket: string,
  options: Pick<PutFileOptions, 'ifAbsent' | 'sha256' | 'signal'> = {},
): Promise<FileInfo> {
  const { context, index, uploads } = access.parts
  const { id } = context.tenant
  const claims = await urlsOf(access).verifyTicket(ticket)
  const { key, uploadId, contentType, contentLengthMax: bytesMax } = claims
  if (claims.tenantId !== id) throw new SignedUrlRefusedError('The upload is another tenant’s.')
  if (uploadId === undefined) {
    const file = await index.find(key)
    if (file === undefined) throw new FileNotFoundError(`Nothing has come for ${key}.`)
    return told(file)
  }
  const incoming = incomingKey(id, uploadId)
  const store = access.store()
  return await uploads.of(id, async () => {
    const objectId = newObjectId()
    const object = objectKey(id, objectId)
    const copied = await store.copy(incoming, object, { signal: options.signal })
    if (copied === undefined) throw new FileNotFoundError(`Nothing has come for ${key}, or it was completed before.`)
    const arrived = await judged(access, { key, object, contentType, bytesMax }, options).catch(async (error: unknown) => {
      await store.delete(object).catch(() => {})
      throw error
    })
    const file = await access.adopt({ ...arrived, key, objectId }, options)
    await store.delete(incoming).catch(() => {})
    return file
  })
}

/** Reads what has come, all of it: its type, its length and its checksum are nobody's word. */
async function judged(
  access: FileAccess,
  came: { readonly key: FileKey; readonly object: string; readonly contentType: string | undefined; readonly bytesMax: number | undefined },
  options: Pick<PutFileOptions, 'ifAbsent' | 'signal'>,
) {
  const { key, object, contentType: declared, bytesMax } = came
  const room = await access.room(key, { ...options, bytesMax })
  let contentType = ''
  const judge = async (head: Uint8Array): Promise<void> => {
    contentType = await judgedContentType(head, declared)
  }
  const intake = new Intake({ ...room, judge, signal: options.signal })
  const body = await access.store().get(object, { signal: options.signal })
  if (body === undefined) throw corrupt({ key, objectId: newObjectId() }, 'its store does not have it')
  for await (const _ of intake.stream(untilAborted(body, options.signal)));
  return { bytes: intake.bytes, contentType, sha256: intake.sha256() }
}

/** As a download: nothing that a tenant's user has stored is run by another one's browser. */
export function dispositionOf(key: FileKey): string {
  return `attachment; filename="${key.slice(key.lastIndexOf('/') + 1)}"`
}

function later(claims: SignedFile): SignedFile {
  return { ...claims, expiresAt: new Date(claims.expiresAt.getTime() + completionMs) }
}

function urlsOf({ parts }: FileAccess): SignedFileUrls {
  if (parts.settings.urls !== undefined) return parts.settings.urls
  throw new ConfigurationError('No address can be signed: pass files: { urls: new SignedFileUrls({ keys, baseUrl }) } to createTenancy().')
}
