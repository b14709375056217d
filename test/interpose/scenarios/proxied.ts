/** A client of the web server of service.ts behind a reverse proxy at HOST and PORT. Prints whether answers, and an upload, came through. */
import { HOST } from './runner.js'

const url = `http://${HOST}:${process.env['PORT'] ?? ''}`
const answers: boolean[] = []
for (let i = 0; i < 50; i++) answers.push((await (await fetch(`${url}/${i}`)).text()).startsWith(`/${i} for IPv`))
const body = 'x'.repeat(3_000_000)
const uploaded = await (await fetch(`${url}/length`, { method: 'PUT', body })).text()
process.stdout.write(`${JSON.stringify([answers.every(Boolean), uploaded === String(body.length)])}\n`)
