import { createHash } from 'node:crypto'
import type { Readable } from 'node:stream'
import { check, httpSite, rate, type Demo, type Step } from '../demo.js'

const CURL = ['--silent', '--show-error', '--fail', '--max-time', '120']

/** Fetches with curl in the peer's namespace. Returns length and SHA-256 of the body. */
async function fetchAndHash(demo: Demo, url: string, say: (news: string) => void) {
  const curl = demo.lab.peer.start('curl', { command: 'curl', args: [...CURL, url], rawOutput: true })
  const hash = createHash('sha256')
  const startMs = performance.now()
  let lenBytes = 0
  for await (const chunk of curl.child.stdout as Readable) {
    hash.update(chunk as Buffer)
    lenBytes += (chunk as Buffer).length
    say(`${(lenBytes / 2 ** 20).toFixed(0)} MiB, ${rate(lenBytes, startMs)}`)
  }
  await curl.success()
  return { lenBytes, sha256: hash.digest('hex'), rate: rate(lenBytes, startMs) }
}

/** curl gets a page from the HTTP server on TAS. */
export const page: Step = {
  title: 'curl a page from TAS',
  async run(demo) {
    const text = await demo.lab.peer.run('curl', [...CURL, `${httpSite(demo)}/`])
    check(/<html/i.test(text), `not a page: ${text.slice(0, 80)}`)
    return `${httpSite(demo)}/ is a page of ${text.length} characters`
  },
}

/** curl gets the file from the HTTP server on TAS. */
export const download: Step = {
  title: 'curl a file of 256 MiB from TAS',
  async run(demo, say) {
    const got = await fetchAndHash(demo, `${httpSite(demo)}/file`, say)
    check(got.lenBytes === demo.file.lenBytes, `${got.lenBytes} bytes instead of ${demo.file.lenBytes}`)
    check(got.sha256 === demo.file.sha256, 'SHA-256 differs')
    return `SHA-256 equal, ${got.rate}`
  },
}

/** curl sends the file to the HTTP server on TAS, which answers with what it received. */
export const upload: Step = {
  title: 'curl uploads 256 MiB to TAS',
  async run(demo, say) {
    const { lab, file } = demo
    const startMs = performance.now()
    const timer = setInterval(() => say(`since ${((performance.now() - startMs) / 1000).toFixed(0)} s`), 1000)
    try {
      const answer = await lab.peer.run('curl', [...CURL, '--upload-file', file.path, `${httpSite(demo)}/upload`], 130_000)
      check(answer.includes(file.sha256), `SHA-256 differs: ${answer.slice(0, 200)}`)
      return `SHA-256 equal, ${rate(file.lenBytes, startMs)}`
    } finally {
      clearInterval(timer)
    }
  },
}
