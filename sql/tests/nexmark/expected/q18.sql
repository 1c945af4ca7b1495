SELECT auction, bidder, price, channel, url, "dateTime", extra FROM bid AS own
WHERE NOT EXISTS (
  SELECT 1 FROM bid AS later WHERE later.auction = own.auction AND later.bidder = own.bidder AND later.seq > own.seq
)
