// A file on its way in: counted, hashed and looked at while it streams, so that memory does not grow with it. Whoever reads slowly is
// waited for, and a source that says nothing more can be given up.

import { createHash } from 'node:crypto'
import { AbortedError, InvalidInputError } from '../../errors.ts'
import type { ByteStream } from '../../objects/object-store.ts'
import { headBytes } from './content-type.ts'

/** What may be stored: bytes, or a stream of them, such as a request's body. It is read once. */
export type FileBody = Uint8Array | AsyncIterable<Uint8Array>

export interface IntakeOptions {
  /** The most that may come. */
  readonly bytesMax: number
  /** What is thrown when more comes. */
  readonly onTooMany: () => unknown
  /** Is handed the beginning before anything goes further; what it throws ends the intake. */
  readonly judge: (head: Uint8Array) => Promise<void>
  readonly signal?: AbortSignal | undefined
}

/** Reads one body. What it counted is known when {@link stream} has ended. */
export class Intake {
  readonly #hash = createHash('sha256')
  readonly #options: IntakeOptions
  #bytes = 0

  constructor(options: IntakeOptions) {
    this.#options = options
  }

  get bytes(): number {
    return this.#bytes
  }

  /** 64 hex digits. Ends the hash: ask once. */
  sha256(): string {
    return this.#hash.digest('hex')
  }

  async *stream(body: FileBody): AsyncGenerator<Uint8Array> {
    const { signal, judge } = this.#options
    let head: Uint8Array[] | undefined = []
    let headLength = 0
    for await (const piece of untilAborted(piecesOf(body), signal)) {
      this.#count(piece)
      if (head === undefined) {
        yield piece
        continue
      }
      head.push(piece)
      headLength += piece.byteLength
      if (headLength < headBytes) continue
      const begun = Buffer.concat(head)
      head = undefined
      await judge(begun.subarray(0, headBytes))
      yield begun
    }
    if (head === undefined) return
    const all = Buffer.concat(head)
    await judge(all)
    if (all.byteLength > 0) yield all
  }

  #count(piece: Uint8Array): void {
    if (!(piece instanceof Uint8Array)) throw new InvalidInputError('The body of a file yielded something that is no bytes.')
    this.#bytes += piece.byteLength
    if (this.#bytes > this.#options.bytesMax) throw this.#options.onTooMany()
    this.#hash.update(piece)
  }
}

/** In pieces, also when it came as one: what is behind it writes them one by one. */
async function* piecesOf(body: FileBody): AsyncGenerator<Uint8Array> {
  if (!(body instanceof Uint8Array)) {
    yield* body
    return
  }
  for (let at = 0; at < body.byteLength; at += 262_144) yield body.subarray(at, at + 262_144)
}

/** The stream, until the signal fires: also while the source is waited for. The source is told to end, and not waited for. */
export async function* untilAborted(body: ByteStream, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  if (signal === undefined) {
    yield* body
    return
  }
  const source = body[Symbol.asyncIterator]()
  const gone = Promise.withResolvers<never>()
  gone.promise.catch(() => {})
  const stop = (): void => gone.reject(new AbortedError('The file was given up: the signal fired.', { cause: signal.reason }))
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    for (;;) {
      const next = await Promise.race([source.next(), gone.promise])
      if (next.done === true) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', stop)
    void Promise.resolve(source.return?.()).catch(() => {})
  }
}

/**
 * A file on its way out. The last piece is held back until all of it is seen to be what was stored: nobody is handed the whole of
 * something else.
 */
export async function* verified(
  body: ByteStream,
  expected: { readonly bytes: number; readonly sha256: string },
  refuse: (why: string) => unknown,
): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256')
  let bytes = 0
  let held: Uint8Array | undefined
  for await (const piece of body) {
    bytes += piece.byteLength
    if (bytes > expected.bytes) throw refuse(`it has more than its ${expected.bytes} bytes`)
    hash.update(piece)
    if (held !== undefined) yield held
    held = piece
  }
  if (bytes !== expected.bytes) throw refuse(`it has ${bytes} of its ${expected.bytes} bytes`)
  if (hash.digest('hex') !== expected.sha256) throw refuse('its checksum is another one')
  if (held !== undefined) yield held
}
