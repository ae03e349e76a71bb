// The one way to our server: it says whose this page is. A page of somebody else does and shows nothing, and says so.
const MINE = {'X-Whose': document.documentElement.dataset.whose}

export async function request(url, {headers, ...options} = {}) {
  const response = await fetch(url, {...options, headers: {...headers, ...MINE}})
  if (isOthers(response)) tell(await response.clone().text())
  return response
}

export const isOthers = response => response.headers.has('X-Not-Yours')

const tell = async html => (await import('./not-yours.js')).default(html)
