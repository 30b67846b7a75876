// What carries a message from one tenant's scope into the same tenant's scope elsewhere: an event of CloudEvents 1.0 in its JSON format
// (https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md), with whose it is and on whose behalf in extension
// attributes, and a seal over all of it. The seal is HMAC-SHA-256 (RFC 2104) over the fields in a fixed order, each with its length before
// it, so that no two envelopes have the same text below it. Nothing of an envelope is believed before its seal holds.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { EnvelopeRefusedError, InvalidInputError } from '../errors.ts'
import type { Actor } from './actor.ts'
import { isSealKeyId, type SealKey, type SealKeys } from './seal-keys.ts'
import { parseTenantId, type TenantId } from './tenant.ts'
import type { Trace } from './tenant-context.ts'

/** A message of one tenant. */
export interface Envelope {
  readonly id: string
  /** A URI reference: which application sent it. With `id` it names the message. */
  readonly source: string
  /** What has happened: `document.created`. */
  readonly type: string
  /** What it happened to, as the application calls it. */
  readonly subject: string | undefined
  readonly time: Date
  /** A URI of what `data` looks like. */
  readonly dataSchema: string | undefined
  /** JSON. */
  readonly data: unknown
  readonly tenantId: TenantId
  /** The tenant's epoch when it was sealed. */
  readonly tenantEpoch: number
  readonly actor: Actor
  readonly requestId: string
  readonly trace: Trace | undefined
}

/** Why an envelope was refused. `ahead`: it is of an epoch of the tenant that the reader does not know yet. */
export type EnvelopeRefusal =
  | 'oversized'
  | 'malformed'
  | 'unknown-version'
  | 'unknown-key'
  | 'forged'
  | 'wrong-tenant'
  | 'ahead'
  | 'expired'

export interface OpenEnvelopeOptions {
  readonly keys: SealKeys
  /** Whose it has to be, by where it was found; with the tenant's epoch of now. */
  readonly tenant: { readonly id: TenantId; readonly epoch: number }
  /** Now, in milliseconds of wall-clock time. */
  readonly now: number
  /** The oldest that is taken, in milliseconds. Default: any age. */
  readonly ageMsMax?: number | undefined
}

/** In bytes of UTF-8, whole. */
export const envelopeBytesMax = 1_048_576

const version = '1'
const contentType = 'application/json'
/** How far the clock of who sealed it may be ahead, in milliseconds. */
const skewMsMax = 300_000
const attributeLengthMax = 1_024
const actorKinds: readonly unknown[] = ['user', 'service', 'staff', 'system'] satisfies readonly Actor['kind'][]

/** The members of the JSON, as CloudEvents has them; names of extensions are lower-case letters and digits there. */
interface Members {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  readonly subject?: string | undefined
  readonly time: string
  readonly datacontenttype: typeof contentType
  readonly dataschema?: string | undefined
  readonly pwversion: string
  readonly tenantid: string
  readonly tenantepoch: number
  readonly actorkind: string
  readonly actorid: string
  readonly requestid: string
  readonly traceparent?: string | undefined
  readonly tracestate?: string | undefined
  readonly sealkey: string
}

const texts = ['id', 'source', 'type', 'time', 'tenantid', 'actorkind', 'actorid', 'requestid', 'sealkey'] as const
const optionalTexts = ['subject', 'dataschema', 'traceparent', 'tracestate'] as const
const known: ReadonlySet<string> = new Set([
  ...texts,
  ...optionalTexts,
  ...['specversion', 'datacontenttype', 'pwversion', 'tenantepoch', 'data', 'seal'],
])

/**
 * Seals a message.
 *
 * @returns JSON text, to be kept or sent as it is.
 * @throws {InvalidInputError} when `data` is not JSON, or the whole is longer than {@link envelopeBytesMax}.
 */
export async function sealEnvelope(envelope: Envelope, keys: SealKeys): Promise<string> {
  const key = await keys.current()
  const { trace } = envelope
  const members: Members = {
    specversion: '1.0',
    id: envelope.id,
    source: envelope.source,
    type: envelope.type,
    subject: envelope.subject,
    time: envelope.time.toISOString(),
    datacontenttype: contentType,
    dataschema: envelope.dataSchema,
    pwversion: version,
    tenantid: envelope.tenantId,
    tenantepoch: envelope.tenantEpoch,
    actorkind: envelope.actor.kind,
    actorid: envelope.actor.id,
    requestid: envelope.requestId,
    traceparent: trace?.traceparent,
    tracestate: trace?.tracestate,
    sealkey: key.id,
  }
  assertAttributes(members)
  const data = jsonOf(envelope.data)
  const seal = sealOf(members, data, key).toString('base64url')
  const text = `${JSON.stringify(members).slice(0, -1)},"seal":"${seal}","data":${data}}`
  const bytes = Buffer.byteLength(text)
  if (bytes <= envelopeBytesMax) return text
  throw new InvalidInputError(`The message has ${bytes} bytes; it may have ${envelopeBytesMax}. Store what is large, and send its name.`)
}

/**
 * Opens a sealed message for the tenant where it was found.
 *
 * @throws {EnvelopeRefusedError} with an {@link EnvelopeRefusal} as `details.reason`.
 */
export async function openEnvelope(text: string, { keys, tenant, now, ageMsMax }: OpenEnvelopeOptions): Promise<Envelope> {
  if (typeof text !== 'string') throw refused('malformed', 'is no text')
  if (text.length > envelopeBytesMax || Buffer.byteLength(text) > envelopeBytesMax) {
    throw refused('oversized', `is longer than ${envelopeBytesMax} bytes`)
  }
  const { members, data, dataText, seal } = readMembers(text)
  const key = isSealKeyId(members.sealkey) ? await keys.find(members.sealkey) : undefined
  if (key === undefined) throw refused('unknown-key', 'was sealed with a key that is not kept')
  if (!timingSafeEqual(sealOf(members, dataText, key), seal)) throw refused('forged', 'is not as it was sealed')
  if (members.tenantid !== tenant.id) throw refused('wrong-tenant', `is of tenant ${members.tenantid}, and was found with ${tenant.id}`)
  if (members.tenantepoch > tenant.epoch) {
    throw refused('ahead', `is of epoch ${members.tenantepoch} of its tenant, whose epoch is ${tenant.epoch} here`)
  }
  const time = new Date(members.time)
  if (time.getTime() > now + skewMsMax) throw refused('expired', 'is of a time that has not come')
  if (ageMsMax !== undefined && now - time.getTime() > ageMsMax) throw refused('expired', `is older than ${ageMsMax} ms`)
  const { traceparent, tracestate } = members
  return {
    id: members.id,
    source: members.source,
    type: members.type,
    subject: members.subject,
    time,
    dataSchema: members.dataschema,
    data,
    tenantId: parseTenantId(members.tenantid),
    tenantEpoch: members.tenantepoch,
    // Of the listed kinds: readMembers() let nothing else through.
    actor: { kind: members.actorkind, id: members.actorid } as Actor,
    requestId: members.requestid,
    trace: traceparent === undefined ? undefined : { traceparent, tracestate },
  }
}

function readMembers(text: string): {
  readonly members: Members
  readonly data: unknown
  readonly dataText: string
  readonly seal: Buffer
} {
  let read: Readonly<Record<string, unknown>>
  let dataText: string
  try {
    const parsed: unknown = JSON.parse(text)
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw refused('malformed', 'is no object')
    read = parsed as Readonly<Record<string, unknown>>
    dataText = JSON.stringify(read['data']) ?? ''
  } catch (error) {
    if (error instanceof EnvelopeRefusedError) throw error
    throw refused('malformed', 'is no JSON', error)
  }
  if (read['specversion'] !== '1.0' || read['pwversion'] !== version)
    throw refused('unknown-version', 'is of a version that is not read here')
  const seal = typeof read['seal'] === 'string' ? Buffer.from(read['seal'], 'base64url') : Buffer.alloc(0)
  const isWhole =
    Object.keys(read).every((name) => known.has(name)) &&
    texts.every((name) => isAttribute(read[name])) &&
    optionalTexts.every((name) => !Object.hasOwn(read, name) || isAttribute(read[name])) &&
    read['datacontenttype'] === contentType &&
    Number.isSafeInteger(read['tenantepoch']) &&
    actorKinds.includes(read['actorkind']) &&
    isTime(read['time']) &&
    dataText !== '' &&
    seal.byteLength === 32 &&
    seal.toString('base64url') === read['seal']
  if (!isWhole) throw refused('malformed', 'lacks what it needs, or has what it must not have')
  // Looked at member by member above.
  return { members: read as unknown as Members, data: read['data'], dataText, seal }
}

/** The seal. Each field has its length before it, and one that is not there is told from an empty one. */
function sealOf(members: Members, data: string, key: SealKey): Buffer {
  const hmac = createHmac('sha256', key.secret)
  const fields = [
    'partywall envelope',
    members.pwversion,
    members.sealkey,
    members.specversion,
    members.id,
    members.source,
    members.type,
    members.subject,
    members.time,
    members.datacontenttype,
    members.dataschema,
    members.tenantid,
    String(members.tenantepoch),
    members.actorkind,
    members.actorid,
    members.requestid,
    members.traceparent,
    members.tracestate,
    data,
  ]
  for (const field of fields) {
    const bytes = Buffer.from(field ?? '')
    const head = Buffer.alloc(5)
    head.writeUInt8(field === undefined ? 0 : 1, 0)
    head.writeUInt32BE(bytes.byteLength, 1)
    hmac.update(head).update(bytes)
  }
  return hmac.digest()
}

function assertAttributes(members: Members): void {
  const bad = [...texts, ...optionalTexts].find((name) => members[name] !== undefined && !isAttribute(members[name]))
  if (bad !== undefined) {
    throw new InvalidInputError(`${bad} of a message has 1 to ${attributeLengthMax} characters, none of them a control.`)
  }
}

function isAttribute(value: unknown): value is string {
  if (typeof value !== 'string' || value === '' || value.length > attributeLengthMax || !value.isWellFormed()) return false
  // CloudEvents has no control characters in attributes.
  return !/[\p{Cc}]/u.test(value)
}

function isTime(value: unknown): boolean {
  const time = new Date(String(value))
  return Number.isFinite(time.getTime()) && time.toISOString() === value
}

/** As the reader will have it after parsing: keys that are numbers change their places there. */
function jsonOf(data: unknown): string {
  try {
    const text: string | undefined = JSON.stringify(data)
    if (text !== undefined) return JSON.stringify(JSON.parse(text))
  } catch (error) {
    throw new InvalidInputError('The data of the message is not JSON.', { cause: error })
  }
  throw new InvalidInputError('The data of the message is not JSON.')
}

function refused(reason: EnvelopeRefusal, what: string, cause?: unknown): EnvelopeRefusedError {
  return new EnvelopeRefusedError(`The envelope ${what}.`, { details: { reason }, cause })
}
