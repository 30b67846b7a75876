// One connection of the app's login: its socket, the statements it has prepared, and whether it can be trusted further.
// pg connects, authenticates and secures the socket; from then on we speak and listen ourselves, one flush at a time.
// A connection is destroyed, never repaired: after a timeout, a cancel, a broken socket, or a session that did not come
// back empty (T E2, E12, G7).

import pg from 'pg'
import { sharedSchema } from '../core/placement.ts'
import { ConnectionLostError } from '../errors.ts'
import { AnswerReader, type AnswerSink, type RareMessage } from './answers.ts'
import { sendCancel } from './cancel.ts'
import { Flush, type FlushDone, type FlushStep, ownStep } from './flush.ts'
import type { RowShape, TypeParsers } from './result.ts'
import { loginSearchPath } from './roles.ts'
import { FlushWriter } from './wire.ts'

/** Prepared statements kept on one connection; the least recently used is closed for a new one. */
const preparedMax = 256

/** A statement as this connection has prepared it. */
export interface Prepared {
  readonly name: string
  readonly text: string
  readonly schema: string
  /** Set when the server has described its rows; `types` are those it was read with. */
  shape: RowShape | undefined
  types: TypeParsers | undefined
}

/** pg's client, with what its type declarations leave out. */
interface Internals {
  readonly connection: {
    readonly stream: {
      readonly closed: boolean
      write(buffer: Buffer): boolean
      end(): void
      destroy(error?: Error): void
      on(event: 'data', listener: (chunk: Buffer) => void): void
      once(event: 'close', listener: () => void): void
      removeAllListeners(event: 'data'): void
    }
    sendCopyFail(reason: string): void
  }
  readonly processID: number | null
  readonly secretKey: number | null
}

export interface ConnectionConfig {
  readonly client: pg.ClientConfig
  /** Name and keep statements on the server. Off behind a pooler that does not track them. */
  readonly prepare: boolean
}

/** How long a server may take to close a connection that we have ended, before it is cut. */
export const closeTimeoutMs = 1_000

const cancelsMax = 4
const cancelEveryMs = 100

/** Fills a flush with messages and says what answers to expect. */
export type BuildFlush = (writer: FlushWriter) => readonly FlushStep[]

/** The flush under way, and who waits for it. */
interface InFlight {
  readonly flush: Flush
  readonly done: FlushDone
  error: Error | undefined
}

export class Connection {
  readonly #client: pg.Client & Internals
  readonly #config: ConnectionConfig
  /** By schema and text: a plan is good for the search path that it was made under, and costs as much as the query itself. */
  readonly #prepared = new Map<string, Prepared>()
  readonly #toClose: string[] = []
  /** Names that the flush under way parses: an error may have come before they were. */
  #parsedNow: string[] = []
  readonly #fixed = new Set<string>()
  readonly #waiting: { readonly build: BuildFlush; readonly done: FlushDone }[] = []
  #named = 0
  #inFlight: InFlight | undefined
  #status = 'I'
  #broken: Error | undefined
  /** Monotonic time of its opening and last use, for the pool. */
  openedAt = 0
  usedAt = 0
  onBroken: (() => void) | undefined
  /** What whoever holds it has made it do since `beginUse()`. */
  readonly use = { statements: 0, rows: 0, bytesSent: 0, bytesReceived: 0 }
  /** What a connection of a tenant's own login is bound to for as long as it lives. Not for connections that others share. */
  enteredWith: object | undefined
  #searchPath: string | undefined
  #closed: Promise<void> | undefined
  /** The answer to a bind: what was bound before. Anything but nothing was left by somebody else. */
  readonly emptySessionStep: FlushStep = {
    ...ownStep,
    onOwnRow: (isEmpty) => {
      if (!isEmpty) this.#taint('its session carried a capability from before')
    },
  }

  private constructor(config: ConnectionConfig) {
    this.#config = config
    this.#client = new pg.Client(config.client) as pg.Client & Internals
    this.#client.on('error', (error) => this.#break(error))
    this.#client.on('end', () => this.#break(new ConnectionLostError('The database closed the connection.')))
  }

  /**
   * Connects and authenticates. When it fails the socket is closed, so that what is counted as open is open.
   *
   * @param signal Gives the attempt up at once.
   */
  static async open(config: ConnectionConfig, signal?: AbortSignal): Promise<Connection> {
    const connection = new Connection(config)
    const abort = (): void => {
      connection.#client.connection.stream.destroy(signal?.reason as Error)
    }
    try {
      signal?.throwIfAborted()
      signal?.addEventListener('abort', abort, { once: true })
      await connection.#client.connect()
    } catch (error) {
      connection.#taint('it did not come to be')
      // A server that refuses closes the socket itself when its process is gone; nobody else does.
      if (error instanceof pg.DatabaseError) connection.destroy()
      else connection.#client.connection.stream.destroy()
      await connection.closed()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    // pg's parser has read all up to the first ReadyForQuery, and the server says nothing unasked after it.
    const { stream } = connection.#client.connection
    const reader = new AnswerReader(connection.#sink)
    stream.removeAllListeners('data')
    stream.on('data', (chunk) => {
      connection.use.bytesReceived += chunk.length
      try {
        reader.read(chunk)
      } catch (error) {
        // An answer that nobody asked for must cost this connection, not the process.
        connection.#sink.garbled(new ConnectionLostError('The server’s answer does not fit what was asked.', { cause: error }))
      }
    })
    return connection
  }

  get isUsable(): boolean {
    return this.#broken === undefined
  }

  /** Why it is unusable. */
  get brokenBy(): Error | undefined {
    return this.#broken
  }

  /** `I` idle, `T` in a transaction, `E` in a failed one; as of the last answer. */
  get transactionStatus(): string {
    return this.#status
  }

  get processId(): number | null {
    return this.#client.processID
  }

  /** Does this connection keep statements under names? */
  get keepsStatements(): boolean {
    return this.#config.prepare
  }

  /** As `prepare`, for one of our own statements, which has the same name on every connection. */
  prepareFixed(writer: FlushWriter, name: string, text: string): string {
    if (!this.#config.prepare) {
      writer.parse('', text)
      return ''
    }
    if (!this.#fixed.has(name)) {
      writer.parse(name, text)
      this.#fixed.add(name)
      this.#parsedNow.push(name)
    }
    return name
  }

  /**
   * Writes what makes `text` ready to be bound, and says under which name. An unnamed statement (name '') is parsed anew in
   * every flush.
   */
  prepare(writer: FlushWriter, text: string, schema: string): Prepared {
    if (!this.#config.prepare) {
      writer.parse('', text)
      return { name: '', text, schema, shape: undefined, types: undefined }
    }
    const key = preparedKey(text, schema)
    const known = this.#prepared.get(key)
    if (known !== undefined) {
      // Most recently used goes last.
      if (this.#prepared.size > preparedMax / 2) {
        this.#prepared.delete(key)
        this.#prepared.set(key, known)
      }
      return known
    }
    const prepared: Prepared = { name: `pw${++this.#named}`, text, schema, shape: undefined, types: undefined }
    writer.parse(prepared.name, text)
    this.#parsedNow.push(prepared.name)
    this.#prepared.set(key, prepared)
    if (this.#prepared.size > preparedMax) this.#evict()
    return prepared
  }

  /** Forgets a statement: its Parse failed, or its plan is no longer good. */
  forget(text: string, schema: string): void {
    this.#forgetKey(preparedKey(text, schema))
  }

  #forgetKey(key: string): void {
    const prepared = this.#prepared.get(key)
    if (prepared === undefined) return
    this.#prepared.delete(key)
    // Closing a statement that does not exist is not an error.
    this.#toClose.push(prepared.name)
  }

  /** Forgets all: a table changed under a plan, or a pooler gave us a session that has prepared nothing. */
  #forgetAll(): void {
    for (const { name } of this.#prepared.values()) this.#toClose.push(name)
    this.#toClose.push(...this.#fixed)
    this.#prepared.clear()
    this.#fixed.clear()
  }

  /** Builds and sends a flush when those before it are answered. `done` is called once. */
  send(build: BuildFlush, done: FlushDone): void {
    // What waits is told when the connection breaks; what comes after that would wait for ever.
    if (this.#broken !== undefined) done(this.#broken, undefined)
    else if (this.#inFlight !== undefined) this.#waiting.push({ build, done })
    else this.#submit(build, done)
  }

  /** Marks the connection as not to be used again; whatever runs on it may finish. */
  #taint(reason: string): void {
    this.#broken ??= new ConnectionLostError(`The connection is given up: ${reason}.`)
  }

  /** The search path that the next flush sets for its transaction: the server will report it, and report its end. */
  expectSearchPath(path: string): void {
    this.#searchPath = path
  }

  /** Whoever takes it begins to count. */
  beginUse(): void {
    const { use } = this
    use.statements = 0
    use.rows = 0
    use.bytesSent = 0
    use.bytesReceived = 0
  }

  /** For the lease, when the session was not empty at checkout. */
  giveUp(reason: string): void {
    this.#taint(reason)
  }

  /** Asks the server to cancel what runs on this connection, then closes it without waiting for an answer. */
  async cancelAndDestroy(reason: Error): Promise<void> {
    const { processID, secretKey } = this.#client
    const wasBusy = this.#inFlight !== undefined
    this.#break(reason)
    // The server closes its end when its process is gone: until then the connection counts. A server that is silent is cut.
    this.#client.connection.stream.end()
    let isClosed = false
    const closed = this.closed().then(() => {
      isClosed = true
    })
    if (!wasBusy || processID === null || secretKey === null) return
    // A cancel that comes before the statement has begun cancels nothing, so it is repeated until the session is over.
    for (let sent = 0; sent < cancelsMax && !isClosed; sent += 1) {
      await sendCancel(this.#config.client, processID, secretKey)
      await Promise.race([closed, pause(cancelEveryMs)])
    }
  }

  destroy(): void {
    this.#taint('it was destroyed')
    // A clean goodbye when nothing is under way; pg cuts the socket otherwise.
    this.#client.end().catch(() => {})
  }

  /**
   * Resolves when the socket is closed. Call it once the connection has been given up: the server closes its end when its
   * process has gone, and one that does not within {@link closeTimeoutMs} is cut.
   */
  closed(): Promise<void> {
    this.#closed ??= new Promise((resolve) => {
      const { stream } = this.#client.connection
      if (stream.closed) {
        resolve()
        return
      }
      const cut = setTimeout(() => stream.destroy(), closeTimeoutMs)
      cut.unref()
      stream.once('close', () => {
        clearTimeout(cut)
        resolve()
      })
    })
    return this.#closed
  }

  #submit(build: BuildFlush, done: FlushDone): void {
    this.#parsedNow = []
    const writer = new FlushWriter()
    for (const name of this.#toClose) writer.closeStatement(name)
    this.#toClose.length = 0
    let steps: readonly FlushStep[]
    try {
      steps = build(writer)
    } catch (error) {
      // Nothing was sent; what was to be parsed is not on the server.
      this.#forgetParsed()
      done(error as Error, undefined)
      return
    }
    this.#inFlight = { flush: new Flush(steps), done, error: undefined }
    const message = writer.finish()
    this.use.bytesSent += message.length
    this.#client.connection.stream.write(message)
  }

  /** After an error nobody can say which of the flush's own Parses came to be: all are parsed anew. */
  #forgetParsed(): void {
    for (const name of this.#parsedNow) {
      if (this.#fixed.delete(name)) this.#toClose.push(name)
      for (const prepared of this.#prepared.values()) if (prepared.name === name) this.forget(prepared.text, prepared.schema)
    }
    this.#parsedNow = []
  }

  /** What the server says, handed to the flush under way. */
  readonly #sink: AnswerSink = {
    dataRow: (buffer, at) => this.#inFlight?.flush.dataRow(buffer, at),
    commandComplete: (buffer, from, to) => this.#inFlight?.flush.commandComplete(buffer, from, to),
    emptyQuery: () => this.#inFlight?.flush.emptyQuery(),
    portalSuspended: () => this.#inFlight?.flush.portalSuspended(),
    readyForQuery: (status) => {
      this.#status = status
      this.#answered()
    },
    rare: (message) => this.#hear(message),
    garbled: (error) => {
      this.#break(error)
      this.#client.connection.stream.destroy()
    },
  }

  #hear(message: RareMessage): void {
    switch (message.name) {
      case 'rowDescription':
        this.#inFlight?.flush.rowDescription((message as RareMessage & { readonly fields: pg.FieldDef[] }).fields)
        return
      case 'error':
        this.#refused(message as RareMessage & pg.DatabaseError)
        return
      case 'parameterStatus':
        // A reported setting that changes was changed by a statement, for the whole session. (search_path is among them since
        // PostgreSQL 18, and ours is set for one transaction.) It is not ours, so the session is not either.
        this.#reported(message as ParameterStatus)
        return
      case 'copyInResponse':
        this.#client.connection.sendCopyFail('COPY is refused inside the wall')
        return
      default:
      // Notices and notifications have no reader here: they would be told in somebody else's context.
    }
  }

  #reported({ parameterName, parameterValue }: ParameterStatus): void {
    const isOurs = parameterName === 'search_path' && this.#searchPath !== undefined && isExpectedPath(parameterValue, this.#searchPath)
    if (!isOurs) this.#taint(`the session's ${parameterName} was changed`)
  }

  /** The server refuses the flush; it is ready again at the ReadyForQuery behind the error. A fatal error is its last word. */
  #refused(error: pg.DatabaseError): void {
    const inFlight = this.#inFlight
    if (inFlight === undefined || /^(FATAL|PANIC)$/.test(error.severity ?? '')) this.#break(error)
    else inFlight.error ??= error
  }

  #answered(): void {
    const inFlight = this.#inFlight
    if (inFlight === undefined) return
    this.#inFlight = undefined
    const { flush, done, error = flush.rowError } = inFlight
    this.use.statements += flush.statementsCounted
    this.use.rows += flush.rowsCounted
    if (inFlight.error !== undefined) {
      this.#forgetParsed()
      if (isStalePlan(error)) this.#forgetAll()
    }
    const next = this.#broken === undefined ? this.#waiting.shift() : undefined
    if (next !== undefined) this.#submit(next.build, next.done)
    done(error, flush)
  }

  /** The connection is gone: whoever waits for it is told now. */
  #break(error: Error): void {
    const isNews = this.#broken === undefined
    this.#broken ??= error
    const inFlight = this.#inFlight
    this.#inFlight = undefined
    inFlight?.done(inFlight.error ?? error, inFlight.flush)
    for (const { done } of this.#waiting.splice(0)) done(error, undefined)
    if (isNews) this.onBroken?.()
  }

  #evict(): void {
    const oldest = this.#prepared.keys().next().value
    if (oldest !== undefined) this.#forgetKey(oldest)
  }
}

type ParameterStatus = RareMessage & { readonly parameterName: string; readonly parameterValue: string }

/** The tenant's, while its transaction is open; the login's own, when it has ended. */
function isExpectedPath(path: string, bound: string): boolean {
  return path === bound || path === loginSearchPath
}

function preparedKey(text: string, schema: string): string {
  return schema === sharedSchema ? text : `${schema} ${text}`
}

/** The table changed under a prepared statement, or a pooler gave us another server's session: it must be prepared anew. */
export function isStalePlan(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  return (code === '0A000' && /cached plan must not change result type/.test(error.message)) || code === '26000'
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
