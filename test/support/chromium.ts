// A real browser: Debian's Chromium, installed when it is missing and we may.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

const binaries = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/opt/homebrew/bin/chromium']

/** Where it is. @throws {Error} which says how to install it. */
export function chromiumBinary(): string {
  const found = () => binaries.find((path) => existsSync(path))
  if (found() === undefined && process.getuid?.() === 0 && existsSync('/usr/bin/apt-get')) {
    const install = ['install', '-y', '--no-install-recommends', 'chromium']
    const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
    if (spawnSync('apt-get', install, options).status !== 0) {
      spawnSync('apt-get', ['update'], options)
      spawnSync('apt-get', install, options)
    }
  }
  const binary = found()
  if (binary === undefined) throw new Error('Chromium is not installed. On Debian and Ubuntu: apt-get install chromium.')
  return binary
}
