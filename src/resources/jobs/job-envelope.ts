// What a job carries from whoever enqueued it to whoever runs it. There is no seal on it: its row is behind the wall of the tenant, among
// the tenant's own rows, and who can write there is the tenant already. It names no tenant for that reason: the row's place does.

import type { Actor } from '../../core/actor.ts'
import type { Trace } from '../../core/tenant-context.ts'
import { InvalidInputError } from '../../errors.ts'

export interface JobEnvelope {
  readonly input: unknown
  readonly actor: Actor
  readonly requestId: string
  readonly trace: Trace | undefined
}

const version = 1
/** In bytes. The column has the same bound. */
const bytesMax = 1_048_576
const actorKinds: readonly unknown[] = ['user', 'service', 'staff', 'system'] satisfies readonly Actor['kind'][]

/** @throws {InvalidInputError} when the input is not JSON, or is longer than a job may carry. */
export function writeEnvelope({ input, actor, requestId, trace }: JobEnvelope): string {
  const inputText = jsonOf(input)
  const { kind, id } = actor
  const text = `{"version":${version},"actor":${JSON.stringify({ kind, id })},"requestId":${JSON.stringify(requestId)},"trace":${JSON.stringify(trace ?? null)}${inputText && `,"input":${inputText}`}}`
  const bytes = Buffer.byteLength(text)
  if (bytes > bytesMax) {
    throw new InvalidInputError(`The job carries ${bytes} bytes; it may be ${bytesMax}. Store what is large, and enqueue its name.`)
  }
  return text
}

/** @throws {InvalidInputError} for one that this version did not write. */
export function readEnvelope(text: string): JobEnvelope {
  // What JSON.parse answers is looked at below.
  const read = JSON.parse(text) as Partial<Record<'version' | 'actor' | 'requestId' | 'trace' | 'input', unknown>>
  if (read.version !== version) {
    throw new InvalidInputError(
      `The job’s envelope has version ${JSON.stringify(read.version)}; this version of partywall reads ${version}.`,
    )
  }
  const actor = read.actor as Partial<Actor> | null | undefined
  if (!actorKinds.includes(actor?.kind) || typeof actor?.id !== 'string' || typeof read.requestId !== 'string') {
    throw new InvalidInputError('The job’s envelope does not say who enqueued it.')
  }
  const trace = read.trace as Partial<Trace> | null | undefined
  return {
    input: read.input,
    // Of the listed kinds, as was just looked at.
    actor: { kind: actor.kind, id: actor.id } as Actor,
    requestId: read.requestId,
    trace: typeof trace?.traceparent === 'string' ? { traceparent: trace.traceparent, tracestate: trace.tracestate } : undefined,
  }
}

/** Nothing of undefined: a job may have no input. */
function jsonOf(value: unknown): string {
  if (value === undefined) return ''
  try {
    const text: string | undefined = JSON.stringify(value)
    if (text !== undefined) return text
  } catch (error) {
    throw new InvalidInputError('The input of the job is not JSON.', { cause: error })
  }
  throw new InvalidInputError('The input of the job is not JSON.')
}
