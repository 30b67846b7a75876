// Real servers that are published as Python packages, installed beside the project's own packages, once.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = fileURLToPath(new URL('../../node_modules/.cache/', import.meta.url))

/** @returns the directory of the virtual environment that has it. Needs Python 3.10 or newer with its venv module. */
export function pythonPackage(name: string, requirement: string, isThere: (environment: string) => boolean): string {
  const environment = join(cache, name)
  if (isThere(environment)) return environment
  if (!existsSync(join(environment, 'bin', 'pip'))) run('python3', ['-m', 'venv', environment])
  run(join(environment, 'bin', 'pip'), ['install', '--quiet', '--disable-pip-version-check', requirement])
  if (!isThere(environment)) throw new Error(`${requirement} was installed and is not in ${environment}.`)
  return environment
}

function run(command: string, args: readonly string[]): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr}`)
}
