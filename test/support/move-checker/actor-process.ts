// A process of the checker's: started, asked, killed, started again.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

export class ActorProcess {
  readonly #script: URL
  readonly #task: () => object
  readonly #onMessage: (message: unknown) => void
  readonly #onDeath: (complaint: string) => void
  #child: ChildProcess | undefined
  /** Nobody has killed it, nor asked it to end. */
  #isWanted = false
  /** What it said to its error output, the last of it. */
  complaint = ''

  /** @param onDeath told when it ends by itself, unasked. */
  constructor(script: URL, task: () => object, onDeath: (complaint: string) => void, onMessage: (message: unknown) => void = () => {}) {
    this.#script = script
    this.#task = task
    this.#onDeath = onDeath
    this.#onMessage = onMessage
  }

  /** Resolves at its first message, or when it has ended instead. */
  async start(): Promise<void> {
    const child = fork(this.#script, [JSON.stringify(this.#task())], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] })
    this.#child = child
    this.#isWanted = true
    child.on('close', () => this.#isWanted && this.#child === child && this.#onDeath(this.complaint))
    child.on('message', (message) => this.#onMessage(message))
    child.on('error', () => {})
    child.stderr!.on('data', (chunk: Buffer) => {
      this.complaint = `${this.complaint}${chunk.toString()}`.slice(-2_000)
    })
    await Promise.race([once(child, 'message'), once(child, 'exit')])
  }

  get isAlive(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null
  }

  send(message: object | string): void {
    if (this.isAlive && this.#child!.connected) this.#child!.send(message, () => {})
  }

  async kill(): Promise<void> {
    this.#isWanted = false
    if (!this.isAlive) return
    const exited = once(this.#child!, 'exit')
    this.#child!.kill('SIGKILL')
    await exited
  }

  /** Frozen, as a machine that swaps, or a process in a long collection of garbage. */
  freeze(): void {
    if (this.isAlive) this.#child!.kill('SIGSTOP')
  }

  thaw(): void {
    if (this.isAlive) this.#child!.kill('SIGCONT')
  }

  /** Asks it to end by itself, and ends it when it does not within so many milliseconds. @returns whether it did. */
  async stop(graceMs: number): Promise<boolean> {
    this.#isWanted = false
    if (!this.isAlive) return true
    const exited = once(this.#child!, 'exit').then(() => true)
    this.send('stop')
    const late = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => late.resolve(false), graceMs)
    const isStopped = await Promise.race([exited, late.promise])
    clearTimeout(timer)
    if (!isStopped) await this.kill()
    return isStopped
  }
}
