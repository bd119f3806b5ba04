# SPDX-License-Identifier: BSD-2-Clause
# What a correct device may answer differently: times, region sizes, offsets, buffer indexes, region
# ids above 1 (the probe prints whether they are equal), the totals of object pools.
s/ +[0-9]+ms$//
s/(memsize|off|buf_ofs|idx)=-?[0-9]+/\1=#/g
s/slot idx now=[0-9]+/slot idx now=#/
s/ofs=-?[1-9][0-9]*/ofs=#/g
s/(tot|size)=[0-9]+/\1=#/g
s/mem_id=([2-9]|[0-9]{2,})/mem_id=PRIV/
s/ mem=[0-9]+$/ mem=#/
s/(tx0?|tx1|rx)=[1-9][0-9]{3,}/\1=#/g
s/list head=[0-9]+/list head=#/
s/equal memid: [0-9]+ [0-9]+/equal memid/
