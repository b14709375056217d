/** A first program: listens on port 7000, greets whoever connects and says how many bytes each message had. */
import { CONN_RECEIVED, CONN_RXCLOSED, LISTEN_ACCEPT, LISTEN_NEWCONN, LISTEN_OPEN, Tas } from 'tasjs'

const context = Tas.connect().createContext()
const text = new TextEncoder()

context.listen(7000)
context.attach((event) => {
  if (event.error !== null) console.error(event.error.message)
  else if (event.type === LISTEN_OPEN) console.log(`listening on port ${event.listener.port}`)
  else if (event.type === LISTEN_NEWCONN) event.listener.accept()
  else if (event.type === LISTEN_ACCEPT) event.connection.write(text.encode('hello\n'))
  else if (event.type === CONN_RECEIVED) {
    event.connection.rxDone(event.total)
    event.connection.write(text.encode(`${event.total} bytes\n`))
  } else if (event.type === CONN_RXCLOSED) event.connection.close()
})
