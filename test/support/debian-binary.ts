// Another system's server, from Debian's packages where it is missing and we may install it.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** Where one of the binaries is. @throws when there is none, with what to do. */
export function debianBinary(name: string, binaries: readonly string[], elsewhere: string): string {
  const found = () => binaries.find((path) => existsSync(path))
  if (found() === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const install = ['install', '-y', '--no-install-recommends', name]
    const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
    if (spawnSync('apt-get', install, options).status !== 0) {
      spawnSync('apt-get', ['update'], options)
      spawnSync('apt-get', install, options)
    }
  }
  const binary = found()
  if (binary === undefined) throw new Error(`${binaries[0]} is not there. On Debian and Ubuntu: apt-get install ${name}; ${elsewhere}.`)
  return binary
}
