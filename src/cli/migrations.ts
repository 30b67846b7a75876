// Migrations of the fleet for one command: opened, used, closed. Which files there are, and in which rings they go, the
// configuration says.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { RolloutConfig } from '../config.ts'
import type { Actor } from '../core/actor.ts'
import { type OpenMigrations, openMigrations } from '../postgres/rollout/open-rollout.ts'
import type { RolloutResult } from '../postgres/rollout/rollout.ts'
import { findConfig } from './config-file.ts'
import { actorAtTerminal } from './control-plane.ts'
import type { Outcome } from './exit-codes.ts'
import { readFleetSettings } from './fleet-settings.ts'
import type { Invocation, Terminal } from './verb.ts'

const directoryDefault = 'migrations'

/** What a run asks for beside the configuration. */
export interface RunFlags extends Pick<RolloutConfig, 'budget' | 'concurrency'> {}

/** Where the files are, and how they are rolled out. */
export async function findMigrations(cwd: string): Promise<{ readonly directory: URL; readonly config: RolloutConfig }> {
  const found = await findConfig(cwd)
  const directory = join(found?.directory ?? cwd, found?.config.migrations ?? directoryDefault)
  return { directory: pathToFileURL(`${directory}/`), config: found?.config.rollout ?? {} }
}

/**
 * Runs `fn` with the migrations of the fleet open.
 *
 * @throws {ConfigurationError} when the migrator's URL is missing.
 */
export async function withMigrations<T>(
  terminal: Terminal,
  flags: RunFlags,
  fn: (rollout: OpenMigrations['rollout'], actor: Actor) => Promise<T>,
): Promise<T> {
  const { catalog, admin, secrets, migrations } = await readFleetSettings(terminal)
  const { directory, config } = await findMigrations(terminal.cwd)
  const options = { ...config, ...(flags.budget && { budget: flags.budget }), ...(flags.concurrency && { concurrency: flags.concurrency }) }
  const open = await openMigrations({ ...options, catalog, admin, directory: migrations ?? directory, secrets })
  try {
    return await fn(open.rollout, actorAtTerminal())
  } finally {
    await open.close()
  }
}

/** Says how a run ended. */
export function told(result: RolloutResult, { output, signal }: Pick<Invocation, 'output' | 'signal'>): Outcome {
  const { state, version, done, failed, skipped, pending, running, reason } = result
  const left = pending + running
  const counts = [`${done} done`, failed > 0 && `${failed} failed`, skipped > 0 && `${skipped} skipped`, left > 0 && `${left} left`]
  const line =
    state === 'nothing'
      ? `Nothing to do: every place is at ${version ?? 'the beginning, and there are no migrations'}.`
      : `To ${version}: ${counts.filter((count) => count !== false).join(', ')}.`
  const next =
    left > 0 || failed + skipped > 0
      ? [
          `${state === 'done' ? 'Over' : state}${reason === null ? '' : `: ${reason}`}. partywall migrate status says where and why; partywall migrate resume does the rest.`,
        ]
      : []
  output.lines([line, ...next], result)
  if (signal.aborted) return 'interrupted'
  if (state === 'paused' || state === 'halted' || state === 'aborted') return 'halted'
  return failed + skipped > 0 ? 'partly' : 'done'
}
