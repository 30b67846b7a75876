// A page as PDF, printed by the Chromium that is there: it lays out what a browser shows, and no library does that as well.

import { spawn } from 'node:child_process'
import { access, constants, copyFile, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ConfigurationError } from '../errors.ts'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'msedge'] as const
const macBundles = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
] as const
const timeoutMs = 60_000

export interface PrintOptions {
  /** Of the browser; by default it is looked for. */
  readonly browser?: string | undefined
  /** The PATH in which it is looked for. */
  readonly path: string
}

/**
 * Prints a page to a file, which is there when it is whole.
 *
 * @throws {ConfigurationError} when there is no browser, or it did not print.
 */
export async function printPage(html: string, to: string, options: PrintOptions): Promise<void> {
  const browser = options.browser ?? (await findBrowser(options.path))
  const directory = await mkdtemp(join(tmpdir(), 'partywall-print-'))
  try {
    const page = join(directory, 'page.html')
    const part = join(directory, 'page.pdf')
    await writeFile(page, html, { mode: 0o600 })
    const said = await run(browser, [
      '--headless',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--no-first-run',
      '--no-pdf-header-footer',
      // A page of our own, without scripts and without anything from elsewhere.
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      `--user-data-dir=${join(directory, 'profile')}`,
      `--print-to-pdf=${part}`,
      pathToFileURL(page).href,
    ])
    const isThere = await stat(part)
      .then(({ size }) => size > 0)
      .catch(() => false)
    if (!isThere) throw new ConfigurationError(`${browser} did not print the page: ${said}`)
    // The directory may be on another disk.
    await copyWhole(part, to)
  } finally {
    await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}

async function copyWhole(from: string, to: string): Promise<void> {
  await copyFile(from, `${to}.part`)
  await rename(`${to}.part`, to)
}

async function findBrowser(path: string): Promise<string> {
  const found = [...path.split(delimiter).flatMap((directory) => names.map((name) => join(directory, name))), ...macBundles]
  for (const candidate of found) {
    const isThere = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (isThere) return candidate
  }
  throw new ConfigurationError(
    `A PDF is printed by Chromium or Chrome, and none is in the PATH. Install it (Debian: apt-get install chromium), name it with --browser, or take --format html and print that.`,
  )
}

/** @returns the end of what it said. */
function run(browser: string, argv: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(browser, argv, { stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' })
    let said = ''
    const hear = (chunk: Buffer): void => {
      said = `${said}${chunk}`.slice(-500)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    child.on('error', (cause) => reject(new ConfigurationError(`${browser} cannot be run.`, { cause })))
    child.on('close', (code, signal) => resolve(code === 0 ? said : `ended with ${signal ?? code}. ${said}`))
  })
}
