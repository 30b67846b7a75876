// The operator's own tool makes the server: OpenTofu, Terraform, a cloud's command line, a script. It is started with an argument
// vector, never by a shell, and spoken to in JSON; docs/guides/servers.md has the protocol.
//
//   stdin    {"action":"acquire","operationId":…,"tenantId":…,"region":…,"plan":…,"labels":…}
//   stdout   {"type":"progress","message":"…","fraction":0.4}        any number of lines
//            {"type":"result","connection":{…}}                      the last line
//   stderr   what people may read: passed on as progress
//   exit     0 done, 64 refused for good, 69 no room, 75 try again later, anything else failed

import type { Provisioner, ProvisionerProgress, ProvisionerRun, ServerConnection, ServerRequest } from '../core/provisioner.ts'
import type { Json } from '../core/tenant.ts'
import { AbortedError, CapacityError, ConfigurationError, ProvisionerError } from '../errors.ts'
import { CommandAnswer, masked } from './command-answer.ts'
import { type CommandEnd, runCommand } from './command-process.ts'

export interface CommandOptions {
  /** The program and its arguments. Nothing of a tenant is ever put into them. */
  readonly argv: readonly [string, ...string[]]
  readonly cwd?: string | undefined
  /** The environment of which the program gets a part. */
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Names of variables that it gets. Default: PATH, HOME, LANG, TMPDIR. */
  readonly pass?: readonly string[] | undefined
  /** Longest run, in milliseconds. Default 3,600,000. */
  readonly timeoutMs?: number | undefined
  /** Time between the request to end and the end by force, for the whole process group. Default 30,000. */
  readonly graceMs?: number | undefined
}

type Action = 'acquire' | 'resume' | 'destroy'

const passDefault = ['PATH', 'HOME', 'LANG', 'TMPDIR'] as const
const timeoutMsDefault = 3_600_000
const graceMsDefault = 30_000

/** Exit codes that say more than that it failed, as sysexits(3) has them. */
export const exitCodes = Object.freeze({ refused: 64, noRoom: 69, tryLater: 75 })

/**
 * Makes servers by a program of yours.
 *
 * @throws {ConfigurationError} without a program.
 *
 * @example
 * ```ts
 * const provisioner = command({ argv: ['node', 'provision.mjs'], environment: process.env, pass: ['PATH', 'AWS_PROFILE'] })
 * ```
 */
export function command(options: CommandOptions): Provisioner {
  const { argv, cwd, environment, pass = passDefault, timeoutMs = timeoutMsDefault, graceMs = graceMsDefault } = options
  if (!argv[0]) throw new ConfigurationError('argv is empty: name the program that makes servers.')
  const env = Object.fromEntries(pass.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name]]])))

  async function call(action: Action, request: ServerRequest, state: Json | undefined, run: ProvisionerRun): Promise<CommandAnswer> {
    const onProgress = run.onProgress ?? (() => {})
    const answer = new CommandAnswer(onProgress)
    const { operationId, tenantId, region, plan, labels } = request
    const input = { action, operationId, tenantId, region, plan, labels, ...(state !== undefined && { state }) }
    const lastLines: string[] = []
    const end = await runCommand({
      argv,
      cwd,
      env,
      input: `${JSON.stringify(input)}\n`,
      timeoutMs,
      graceMs,
      signal: run.signal,
      onOut: (line) => answer.read(line),
      onErr: (line) => {
        const message = masked(line)
        lastLines.push(message)
        if (lastLines.length > 5) lastLines.shift()
        onProgress({ message } satisfies ProvisionerProgress)
      },
    })
    assertDone(end, { action, operationId, lastLines, signal: run.signal, timeoutMs })
    return answer
  }

  return {
    name: 'command',
    acquire: async (request, run = {}): Promise<ServerConnection> => (await call('acquire', request, undefined, run)).connection(),
    resume: async (request, run = {}): Promise<ServerConnection> => (await call('resume', request, undefined, run)).connection(),
    async destroy(request, state, run = {}) {
      await call('destroy', request, state, run)
    },
  }
}

interface Situation {
  readonly action: Action
  readonly operationId: string
  readonly lastLines: readonly string[]
  readonly signal: AbortSignal | undefined
  readonly timeoutMs: number
}

function assertDone(end: CommandEnd, { action, operationId, lastLines, signal, timeoutMs }: Situation): void {
  const details = { action, operationId, exitCode: end.exitCode, killedBy: end.killedBy }
  const said = lastLines.length === 0 ? '' : ` It said at last:\n  ${lastLines.join('\n  ')}`
  switch (end.reason) {
    case 'aborted':
      throw new AbortedError(`The tool was ended in the middle of ${action}. The same operation may be resumed.`, { cause: signal?.reason })
    case 'timeout':
      throw new ProvisionerError(`The tool did not end ${action} within ${timeoutMs} ms. The same operation may be resumed.${said}`, {
        details,
        retryable: true,
      })
    case 'unstartable':
      throw new ConfigurationError(`The tool cannot be started: ${end.problem}`, { details })
    case 'talkative':
      throw new ProvisionerError(`The tool broke the protocol at ${action}: ${end.problem}.`, { details })
    case 'exited':
      break
  }
  switch (end.exitCode) {
    case 0:
      return
    case exitCodes.noRoom:
      throw new CapacityError(`The tool has no room for a server.${said}`, { details })
    case exitCodes.refused:
      throw new ProvisionerError(`The tool refuses to ${action}: the same call cannot succeed.${said}`, { details })
    case exitCodes.tryLater:
      throw new ProvisionerError(`The tool could not ${action} now: try again later.${said}`, { details, retryable: true })
    default: {
      const how = end.killedBy === undefined ? `with exit code ${end.exitCode}` : `by ${end.killedBy}`
      throw new ProvisionerError(`The tool ended ${how} at ${action}. Look at what it left, then resume.${said}`, { details })
    }
  }
}
