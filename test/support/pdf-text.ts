// What a reader sees on each page of a PDF, by Poppler's pdftotext, installed when it is missing and we may.

import { spawnSync } from 'node:child_process'

/** The text of each page. @throws {Error} which says how to install it. */
export function pdfPages(file: string): readonly string[] {
  const read = () => spawnSync('pdftotext', ['-layout', '-enc', 'UTF-8', file, '-'], { encoding: 'utf8' })
  let { error, status, stdout, stderr } = read()
  if (error !== undefined && process.getuid?.() === 0) {
    const install = ['install', '-y', '--no-install-recommends', 'poppler-utils']
    const options = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const
    if (spawnSync('apt-get', install, options).status !== 0) {
      spawnSync('apt-get', ['update'], options)
      spawnSync('apt-get', install, options)
    }
    ;({ error, status, stdout, stderr } = read())
  }
  if (error !== undefined)
    throw new Error('pdftotext is not installed. On Debian and Ubuntu: apt-get install poppler-utils.', { cause: error })
  if (status !== 0) throw new Error(`pdftotext cannot read ${file}: ${stderr}`)
  // A form feed ends each page.
  return stdout.split('\f').slice(0, -1)
}
